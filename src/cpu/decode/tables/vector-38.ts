// SDM Vol. 2, Table A-4 Three-byte Opcode Map (First Two Bytes are 0F 38H): vector instructions. Notation: rows.ts

/** Pairs of doubleword (W=0) and quadword (W=1) forms, EVEX only. */
const doubleAndQuad = (row: string, d: string, q: string): string => `
${row.replace('WIDTH', 'e0').replace('NAME', d).replace('*', '*d')}
${row.replace('WIDTH', 'e1').replace('NAME', q).replace('*', '*q')}`;

const SSSE3 = `
00 66 m s v e pshufb V,H,W
01 66 m s v phaddw V,H,W
02 66 m s v phaddd V,H,W
03 66 m s v phaddsw V,H,W
04 66 m s v e pmaddubsw V,H,W
05 66 m s v phsubw V,H,W
06 66 m s v phsubd V,H,W
07 66 m s v phsubsw V,H,W
08 66 m s v psignb V,H,W
09 66 m s v psignw V,H,W
0a 66 m s v psignd V,H,W
0b 66 m s v e pmulhrsw V,H,W
1c 66 m s v e pabsb V,W
1d 66 m s v e pabsw V,W
1e 66 m s v e0 pabsd V,W*d
1f 66 e1 vpabsq V,W*q
`;

const SSE4 = `
10 66 s pblendvb Vo,Wo
14 66 s blendvps Vo,Wo
15 66 s blendvpd Vo,Wo
17 66 s v ptest V,W
20 66 s v e pmovsxbw V,Wh
21 66 s v e pmovsxbd V,Wf
22 66 s v e pmovsxbq V,Wg
23 66 s v e pmovsxwd V,Wh
24 66 s v e pmovsxwq V,Wf
25 66 s v e0 pmovsxdq V,Wh
30 66 s v e pmovzxbw V,Wh
31 66 s v e pmovzxbd V,Wf
32 66 s v e pmovzxbq V,Wg
33 66 s v e pmovzxwd V,Wh
34 66 s v e pmovzxwq V,Wf
35 66 s v e0 pmovzxdq V,Wh
28 66 s v e1 pmuldq V,H,W*q
29 66 s v pcmpeqq V,H,W
29 66 e1 vpcmpeqq KG,H,W*q
2a 66 s v e0 movntdqa V,Mx nk
2b 66 s v e0 packusdw V,H,W*d
37 66 s v pcmpgtq V,H,W
37 66 e1 vpcmpgtq KG,H,W*q
38 66 s v e pminsb V,H,W
39 66 s v e0 pminsd V,H,W*d
39 66 e1 vpminsq V,H,W*q
3a 66 s v e pminuw V,H,W
3b 66 s v e0 pminud V,H,W*d
3b 66 e1 vpminuq V,H,W*q
3c 66 s v e pmaxsb V,H,W
3d 66 s v e0 pmaxsd V,H,W*d
3d 66 e1 vpmaxsq V,H,W*q
3e 66 s v e pmaxuw V,H,W
3f 66 s v e0 pmaxud V,H,W*d
3f 66 e1 vpmaxuq V,H,W*q
40 66 s v e0 pmulld V,H,W*d
40 66 e1 vpmullq V,H,W*q
41 66 l0 s v phminposuw Vo,Wo
c8 np sha1nexte Vo,Wo
c9 np sha1msg1 Vo,Wo
ca np sha1msg2 Vo,Wo
cb np sha256rnds2 Vo,Wo
cc np sha256msg1 Vo,Wo
cd np sha256msg2 Vo,Wo
cf 66 s v0 e0 gf2p8mulb V,H,W
db 66 l0 s v aesimc Vo,Wo
dc 66 s v e aesenc V,H,W nk
dd 66 s v e aesenclast V,H,W nk
de 66 s v e aesdec V,H,W nk
df 66 s v e aesdeclast V,H,W nk
`;

const AVX = `
0c 66 v0 e0 vpermilps V,H,W*d
0d 66 v0 vpermilpd V,H,W
0d 66 e1 vpermilpd V,H,W*q
0e 66 v0 vtestps V,W
0f 66 v0 vtestpd V,W
13 66 v0 vcvtph2ps V,Wh
13 66 e0 vcvtph2ps V,Wh sae
16 66 l1 v0 vpermps V,H,W
18 66 v0 e0 vbroadcastss V,Wd
19 66 l1 v0 vbroadcastsd V,Wq
1a 66 l1 v0 vbroadcastf128 V,Mo
2c 66 v0 vmaskmovps V,H,Mx
2d 66 v0 vmaskmovpd V,H,Mx
2e 66 v0 vmaskmovps Mx,H,V
2f 66 v0 vmaskmovpd Mx,H,V
36 66 l1 v0 vpermd V,H,W
45 66 v0 vpsrlvd V,H,W
45 66 v1 vpsrlvq V,H,W
46 66 v0 vpsravd V,H,W
47 66 v0 vpsllvd V,H,W
47 66 v1 vpsllvq V,H,W
50 66 v0 e0 vpdpbusd V,H,W*d
51 66 v0 e0 vpdpbusds V,H,W*d
52 66 v0 e0 vpdpwssd V,H,W*d
53 66 v0 e0 vpdpwssds V,H,W*d
58 66 v0 e0 vpbroadcastd V,Wd
59 66 v0 e1 vpbroadcastq V,Wq
5a 66 l1 v0 vbroadcasti128 V,Mo
78 66 v0 e0 vpbroadcastb V,Wb
79 66 v0 e0 vpbroadcastw V,Ww
8c 66 v0 vpmaskmovd V,H,Mx
8c 66 v1 vpmaskmovq V,H,Mx
8e 66 v0 vpmaskmovd Mx,H,V
8e 66 v1 vpmaskmovq Mx,H,V
90 66 v0 vpgatherdd V,Xx*d,H distinct
90 66 v1 vpgatherdq V,Xh*q,H distinct
91 66 v0 vpgatherqd Vh,Xx*d,Hh distinct
91 66 v1 vpgatherqq V,Xx*q,H distinct
92 66 v0 vgatherdps V,Xx*d,H distinct
92 66 v1 vgatherdpd V,Xh*q,H distinct
93 66 v0 vgatherqps Vh,Xx*d,Hh distinct
93 66 v1 vgatherqpd V,Xx*q,H distinct
`;

const AVX512 = `
10 66 e1 vpsrlvw V,H,W
11 66 e1 vpsravw V,H,W
12 66 e1 vpsllvw V,H,W
10 f3 e0 vpmovuswb Wh,V
11 f3 e0 vpmovusdb Wf,V
12 f3 e0 vpmovusqb Wg,V
13 f3 e0 vpmovusdw Wh,V
14 f3 e0 vpmovusqw Wf,V
15 f3 e0 vpmovusqd Wh,V
20 f3 e0 vpmovswb Wh,V
21 f3 e0 vpmovsdb Wf,V
22 f3 e0 vpmovsqb Wg,V
23 f3 e0 vpmovsdw Wh,V
24 f3 e0 vpmovsqw Wf,V
25 f3 e0 vpmovsqd Wh,V
30 f3 e0 vpmovwb Wh,V
31 f3 e0 vpmovdb Wf,V
32 f3 e0 vpmovqb Wg,V
33 f3 e0 vpmovdw Wh,V
34 f3 e0 vpmovqw Wf,V
35 f3 e0 vpmovqd Wh,V
${doubleAndQuad('14 66 WIDTH NAME V,H,W*', 'vprorvd', 'vprorvq')}
${doubleAndQuad('15 66 WIDTH NAME V,H,W*', 'vprolvd', 'vprolvq')}
${doubleAndQuad('16 66 l12 WIDTH NAME V,H,W*', 'vpermps', 'vpermpd')}
19 66 l12 e0 vbroadcastf32x2 V,Wq
19 66 l12 e1 vbroadcastsd V,Wq
1a 66 l12 e0 vbroadcastf32x4 V,Mo
1a 66 l12 e1 vbroadcastf64x2 V,Mo
1b 66 l2 e0 vbroadcastf32x8 V,M256
1b 66 l2 e1 vbroadcastf64x4 V,M256
26 66 e0 vptestmb KG,H,W
26 66 e1 vptestmw KG,H,W
26 f3 e0 vptestnmb KG,H,W
26 f3 e1 vptestnmw KG,H,W
${doubleAndQuad('27 66 WIDTH NAME KG,H,W*', 'vptestmd', 'vptestmq')}
${doubleAndQuad('27 f3 WIDTH NAME KG,H,W*', 'vptestnmd', 'vptestnmq')}
28 reg f3 e0 vpmovm2b V,KE nk
28 reg f3 e1 vpmovm2w V,KE nk
38 reg f3 e0 vpmovm2d V,KE nk
38 reg f3 e1 vpmovm2q V,KE nk
29 f3 e0 vpmovb2m KG,U nk
29 f3 e1 vpmovw2m KG,U nk
39 f3 e0 vpmovd2m KG,U nk
39 f3 e1 vpmovq2m KG,U nk
2a reg f3 e1 vpbroadcastmb2q V,KE nk
3a reg f3 e0 vpbroadcastmw2d V,KE nk
2c 66 e0 vscalefps V,H,W*d er
2c 66 e1 vscalefpd V,H,W*q er
2d 66 e0 vscalefss Vo,Ho,Wd er
2d 66 e1 vscalefsd Vo,Ho,Wq er
${doubleAndQuad('36 66 l12 WIDTH NAME V,H,W*', 'vpermd', 'vpermq')}
42 66 e0 vgetexpps V,W*d sae
42 66 e1 vgetexppd V,W*q sae
43 66 e0 vgetexpss Vo,Ho,Wd sae
43 66 e1 vgetexpsd Vo,Ho,Wq sae
${doubleAndQuad('44 66 WIDTH NAME V,W*', 'vplzcntd', 'vplzcntq')}
${doubleAndQuad('45 66 WIDTH NAME V,H,W*', 'vpsrlvd', 'vpsrlvq')}
${doubleAndQuad('46 66 WIDTH NAME V,H,W*', 'vpsravd', 'vpsravq')}
${doubleAndQuad('47 66 WIDTH NAME V,H,W*', 'vpsllvd', 'vpsllvq')}
${doubleAndQuad('4c 66 WIDTH NAME V,W*', 'vrcp14ps', 'vrcp14pd')}
4d 66 e0 vrcp14ss Vo,Ho,Wd
4d 66 e1 vrcp14sd Vo,Ho,Wq
${doubleAndQuad('4e 66 WIDTH NAME V,W*', 'vrsqrt14ps', 'vrsqrt14pd')}
4f 66 e0 vrsqrt14ss Vo,Ho,Wd
4f 66 e1 vrsqrt14sd Vo,Ho,Wq
52 f3 e0 vdpbf16ps V,H,W*d
52 f2 l2 e0 vp4dpwssd V,H,Mo
53 f2 l2 e0 vp4dpwssds V,H,Mo
54 66 e0 vpopcntb V,W
54 66 e1 vpopcntw V,W
${doubleAndQuad('55 66 WIDTH NAME V,W*', 'vpopcntd', 'vpopcntq')}
59 66 e0 vbroadcasti32x2 V,Wq
5a 66 l12 e0 vbroadcasti32x4 V,Mo
5a 66 l12 e1 vbroadcasti64x2 V,Mo
5b 66 l2 e0 vbroadcasti32x8 V,M256
5b 66 l2 e1 vbroadcasti64x4 V,M256
62 66 e0 vpexpandb V,Wx/b
62 66 e1 vpexpandw V,Wx/w
63 66 e0 vpcompressb Wx/b,V
63 66 e1 vpcompressw Wx/w,V
${doubleAndQuad('64 66 WIDTH NAME V,H,W*', 'vpblendmd', 'vpblendmq')}
${doubleAndQuad('65 66 WIDTH NAME V,H,W*', 'vblendmps', 'vblendmpd')}
66 66 e0 vpblendmb V,H,W
66 66 e1 vpblendmw V,H,W
${doubleAndQuad('68 f2 WIDTH NAME KG,H,W* nk', 'vp2intersectd', 'vp2intersectq')}
70 66 e1 vpshldvw V,H,W
${doubleAndQuad('71 66 WIDTH NAME V,H,W*', 'vpshldvd', 'vpshldvq')}
72 66 e1 vpshrdvw V,H,W
72 f3 e0 vcvtneps2bf16 Vh,W*d
72 f2 e0 vcvtne2ps2bf16 V,H,W*d
${doubleAndQuad('73 66 WIDTH NAME V,H,W*', 'vpshrdvd', 'vpshrdvq')}
75 66 e0 vpermi2b V,H,W
75 66 e1 vpermi2w V,H,W
${doubleAndQuad('76 66 WIDTH NAME V,H,W*', 'vpermi2d', 'vpermi2q')}
${doubleAndQuad('77 66 WIDTH NAME V,H,W*', 'vpermi2ps', 'vpermi2pd')}
7a reg 66 e0 vpbroadcastb V,Rd
7b reg 66 e0 vpbroadcastw V,Rd
7c reg 66 o64 e1 vpbroadcastq V,Rq
7c reg 66 e vpbroadcastd V,Rd
7d 66 e0 vpermt2b V,H,W
7d 66 e1 vpermt2w V,H,W
${doubleAndQuad('7e 66 WIDTH NAME V,H,W*', 'vpermt2d', 'vpermt2q')}
${doubleAndQuad('7f 66 WIDTH NAME V,H,W*', 'vpermt2ps', 'vpermt2pd')}
83 66 e1 vpmultishiftqb V,H,W*q
88 66 e0 vexpandps V,Wx/d
88 66 e1 vexpandpd V,Wx/q
89 66 e0 vpexpandd V,Wx/d
89 66 e1 vpexpandq V,Wx/q
8a 66 e0 vcompressps Wx/d,V
8a 66 e1 vcompresspd Wx/q,V
8b 66 e0 vpcompressd Wx/d,V
8b 66 e1 vpcompressq Wx/q,V
8d 66 e0 vpermb V,H,W
8d 66 e1 vpermw V,H,W
8f 66 e0 vpshufbitqmb KG,H,W
90 66 e0 vpgatherdd V,Xx*d nz apart
90 66 e1 vpgatherdq V,Xh*q nz apart
91 66 e0 vpgatherqd Vh,Xx*d nz apart
91 66 e1 vpgatherqq V,Xx*q nz apart
92 66 e0 vgatherdps V,Xx*d nz apart
92 66 e1 vgatherdpd V,Xh*q nz apart
93 66 e0 vgatherqps Vh,Xx*d nz apart
93 66 e1 vgatherqpd V,Xx*q nz apart
a0 66 e0 vpscatterdd Xx*d,V
a0 66 e1 vpscatterdq Xh*q,V
a1 66 e0 vpscatterqd Xx*d,Vh
a1 66 e1 vpscatterqq Xx*q,V
a2 66 e0 vscatterdps Xx*d,V
a2 66 e1 vscatterdpd Xh*q,V
a3 66 e0 vscatterqps Xx*d,Vh
a3 66 e1 vscatterqpd Xx*q,V
b4 66 e1 vpmadd52luq V,H,W*q
b5 66 e1 vpmadd52huq V,H,W*q
${doubleAndQuad('c4 66 WIDTH NAME V,W*', 'vpconflictd', 'vpconflictq')}
`;

/** AVX512ER and AVX512PF: Xeon Phi alone. */
const XEON_PHI = `
c8 66 l2 e0 vexp2ps V,W*d sae
c8 66 l2 e1 vexp2pd V,W*q sae
ca 66 l2 e0 vrcp28ps V,W*d sae
ca 66 l2 e1 vrcp28pd V,W*q sae
cb 66 e0 vrcp28ss Vo,Ho,Wd sae
cb 66 e1 vrcp28sd Vo,Ho,Wq sae
cc 66 l2 e0 vrsqrt28ps V,W*d sae
cc 66 l2 e1 vrsqrt28pd V,W*q sae
cd 66 e0 vrsqrt28ss Vo,Ho,Wd sae
cd 66 e1 vrsqrt28sd Vo,Ho,Wq sae
${[
  ['/1', 'gatherpf0'],
  ['/2', 'gatherpf1'],
  ['/5', 'scatterpf0'],
  ['/6', 'scatterpf1'],
]
  .map(
    ([group, name]) => `
c6 ${group} 66 l2 e0 v${name}dps Xx*d
c6 ${group} 66 l2 e1 v${name}dpd Xh*q
c7 ${group} 66 l2 e0 v${name}qps Xx*d
c7 mem ${group} 66 l2 e1 v${name}qpd Xx*q`,
  )
  .join('\n')}
`;

export const VECTOR_38 = [SSSE3, SSE4, AVX, AVX512, XEON_PHI].join('\n');
