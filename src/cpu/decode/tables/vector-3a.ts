// SDM Vol. 2, Table A-5 Three-byte Opcode Map (First Two Bytes are 0F 3AH): vector instructions. Notation: rows.ts
const SSE = `
08 66 s v roundps V,W,Ib
09 66 s v roundpd V,W,Ib
0a 66 s v roundss Vo,Ho,Wd,Ib
0b 66 s v roundsd Vo,Ho,Wq,Ib
0c 66 s v blendps V,H,W,Ib
0d 66 s v blendpd V,H,W,Ib
0e 66 s v pblendw V,H,W,Ib
0f 66 m s v e palignr V,H,W,Ib
14 66 l0 s v e pextrb Ey/b,Vo,Ib nk
15 66 l0 s v e pextrw Ey/w,Vo,Ib nk
16 66 o64 l0 s1 v1 e1 pextrq Eq,Vo,Ib nk
16 66 l0 s v e pextrd Ed,Vo,Ib nk
17 66 l0 s v e extractps Ey/d,Vo,Ib nk
20 66 l0 s v e pinsrb Vo,Ho,Ey/b,Ib nk
21 66 l0 s v e0 insertps Vo,Ho,Wd,Ib nk
22 66 o64 l0 s1 v1 e1 pinsrq Vo,Ho,Eq,Ib nk
22 66 l0 s v e pinsrd Vo,Ho,Ed,Ib nk
40 66 s v dpps V,H,W,Ib
41 66 l0 s v dppd Vo,Ho,Wo,Ib
42 66 s v mpsadbw V,H,W,Ib
44 66 s v e pclmulqdq V,H,W,Ib nk
60 66 l0 s v pcmpestrm Vo,Wo,Ib
61 66 l0 s v pcmpestri Vo,Wo,Ib
62 66 l0 s v pcmpistrm Vo,Wo,Ib
63 66 l0 s v pcmpistri Vo,Wo,Ib
cc np sha1rnds4 Vo,Wo,Ib
ce 66 s v1 gf2p8affineqb V,H,W,Ib
ce 66 e1 vgf2p8affineqb V,H,W*q,Ib
cf 66 s v1 gf2p8affineinvqb V,H,W,Ib
cf 66 e1 vgf2p8affineinvqb V,H,W*q,Ib
df 66 l0 s v aeskeygenassist Vo,Wo,Ib
`;

const AVX = `
00 66 l1 v1 vpermq V,W,Ib
01 66 l1 v1 vpermpd V,W,Ib
02 66 v0 vpblendd V,H,W,Ib
04 66 v0 e0 vpermilps V,W*d,Ib
05 66 v0 vpermilpd V,W,Ib
05 66 e1 vpermilpd V,W*q,Ib
06 66 l1 v0 vperm2f128 V,H,W,Ib
18 66 l1 v0 vinsertf128 V,H,Wo,Ib
19 66 l1 v0 vextractf128 Wo,V,Ib
1d 66 v0 vcvtps2ph Wh,V,Ib
1d 66 e0 vcvtps2ph Wh,V,Ib sae
38 66 l1 v0 vinserti128 V,H,Wo,Ib
39 66 l1 v0 vextracti128 Wo,V,Ib
46 66 l1 v0 vperm2i128 V,H,W,Ib
4a 66 v0 vblendvps V,H,W,L
4b 66 v0 vblendvpd V,H,W,L
4c 66 v0 vpblendvb V,H,W,L
`;

const AVX512 = `
00 66 l12 e1 vpermq V,W*q,Ib
01 66 l12 e1 vpermpd V,W*q,Ib
03 66 e0 valignd V,H,W*d,Ib
03 66 e1 valignq V,H,W*q,Ib
08 66 e0 vrndscaleps V,W*d,Ib sae
09 66 e1 vrndscalepd V,W*q,Ib sae
0a 66 e0 vrndscaless Vo,Ho,Wd,Ib sae
0b 66 e1 vrndscalesd Vo,Ho,Wq,Ib sae
18 66 l12 e0 vinsertf32x4 V,H,Wo,Ib
18 66 l12 e1 vinsertf64x2 V,H,Wo,Ib
19 66 l12 e0 vextractf32x4 Wo,V,Ib
19 66 l12 e1 vextractf64x2 Wo,V,Ib
1a 66 l2 e0 vinsertf32x8 V,H,W256,Ib
1a 66 l2 e1 vinsertf64x4 V,H,W256,Ib
1b 66 l2 e0 vextractf32x8 W256,V,Ib
1b 66 l2 e1 vextractf64x4 W256,V,Ib
1e 66 e0 vpcmpud KG,H,W*d,Ib
1e 66 e1 vpcmpuq KG,H,W*q,Ib
1f 66 e0 vpcmpd KG,H,W*d,Ib
1f 66 e1 vpcmpq KG,H,W*q,Ib
23 66 l12 e0 vshuff32x4 V,H,W*d,Ib
23 66 l12 e1 vshuff64x2 V,H,W*q,Ib
25 66 e0 vpternlogd V,H,W*d,Ib
25 66 e1 vpternlogq V,H,W*q,Ib
26 66 e0 vgetmantps V,W*d,Ib sae
26 66 e1 vgetmantpd V,W*q,Ib sae
27 66 e0 vgetmantss Vo,Ho,Wd,Ib sae
27 66 e1 vgetmantsd Vo,Ho,Wq,Ib sae
38 66 l12 e0 vinserti32x4 V,H,Wo,Ib
38 66 l12 e1 vinserti64x2 V,H,Wo,Ib
39 66 l12 e0 vextracti32x4 Wo,V,Ib
39 66 l12 e1 vextracti64x2 Wo,V,Ib
3a 66 l2 e0 vinserti32x8 V,H,W256,Ib
3a 66 l2 e1 vinserti64x4 V,H,W256,Ib
3b 66 l2 e0 vextracti32x8 W256,V,Ib
3b 66 l2 e1 vextracti64x4 W256,V,Ib
3e 66 e0 vpcmpub KG,H,W,Ib
3e 66 e1 vpcmpuw KG,H,W,Ib
3f 66 e0 vpcmpb KG,H,W,Ib
3f 66 e1 vpcmpw KG,H,W,Ib
42 66 e0 vdbpsadbw V,H,W,Ib
43 66 l12 e0 vshufi32x4 V,H,W*d,Ib
43 66 l12 e1 vshufi64x2 V,H,W*q,Ib
50 66 e0 vrangeps V,H,W*d,Ib sae
50 66 e1 vrangepd V,H,W*q,Ib sae
51 66 e0 vrangess Vo,Ho,Wd,Ib sae
51 66 e1 vrangesd Vo,Ho,Wq,Ib sae
54 66 e0 vfixupimmps V,H,W*d,Ib sae
54 66 e1 vfixupimmpd V,H,W*q,Ib sae
55 66 e0 vfixupimmss Vo,Ho,Wd,Ib sae
55 66 e1 vfixupimmsd Vo,Ho,Wq,Ib sae
56 66 e0 vreduceps V,W*d,Ib sae
56 66 e1 vreducepd V,W*q,Ib sae
57 66 e0 vreducess Vo,Ho,Wd,Ib sae
57 66 e1 vreducesd Vo,Ho,Wq,Ib sae
66 66 e0 vfpclassps KG,W*d,Ib
66 66 e1 vfpclasspd KG,W*q,Ib
67 66 e0 vfpclassss KG,Wd,Ib
67 66 e1 vfpclasssd KG,Wq,Ib
70 66 e1 vpshldw V,H,W,Ib
71 66 e0 vpshldd V,H,W*d,Ib
71 66 e1 vpshldq V,H,W*q,Ib
72 66 e1 vpshrdw V,H,W,Ib
73 66 e0 vpshrdd V,H,W*d,Ib
73 66 e1 vpshrdq V,H,W*q,Ib
`;

export const VECTOR_3A = [SSE, AVX, AVX512].join('\n');
