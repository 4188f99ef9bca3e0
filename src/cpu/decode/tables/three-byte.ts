// SDM Vol. 2, Tables Three-byte Opcode Maps, and VEX-encoded instructions on general-purpose registers. Notation: rows.ts
export const THREE_BYTE_38 = `
80 66 invept Gn,Mo n64
81 66 invvpid Gn,Mo n64
82 66 invpcid Gn,Mo n64
f0 f2 crc32 Gy,Eb
f1 f2 crc32 Gy,Ev
f0 np movbe Gv,Mv
f0 66 movbe Gv,Mv
f1 np movbe Mv,Gv
f1 66 movbe Mv,Gv
f5 66 wruss My,Gy
f6 np wrss My,Gy
f6 66 adcx Gy,Ey
f6 f3 adox Gy,Ey
f8 66 movdir64b Gj,M512
f8 f2 enqcmd Gj,M512
f8 f3 enqcmds Gj,M512
f9 np movdiri My,Gy
# Key Locker
d8 f3 /0 aesencwide128kl M384
d8 f3 /1 aesdecwide128kl M384
d8 f3 /2 aesencwide256kl M512
d8 f3 /3 aesdecwide256kl M512
dc f3 aesenc128kl Vo,M384
dc f3 loadiwkey Vo,Uo
dd f3 aesdec128kl Vo,M384
de f3 aesenc256kl Vo,M512
df f3 aesdec256kl Vo,M512
fa reg f3 encodekey128 Gd,Rd
fb reg f3 encodekey256 Gd,Rd
# BMI1 and BMI2
f2 v np l0 andn Gy,By,Ey
f3 v np l0 /1 blsr By,Ey
f3 v np l0 /2 blsmsk By,Ey
f3 v np l0 /3 blsi By,Ey
f5 v np l0 bzhi Gy,Ey,By
f5 v f3 l0 pext Gy,By,Ey
f5 v f2 l0 pdep Gy,By,Ey
f6 v f2 l0 mulx Gy,By,Ey
f7 v np l0 bextr Gy,Ey,By
f7 v 66 l0 shlx Gy,Ey,By
f7 v f3 l0 sarx Gy,Ey,By
f7 v f2 l0 shrx Gy,Ey,By
# Intel AMX
49 v0 o64 l0 np /0 ldtilecfg M512
49 v0 o64 l0 66 /0 sttilecfg M512
49 v0 o64 l0 reg np /0 rm0 tilerelease
49 v0 o64 l0 reg f2 rm0 tilezero TG
4b v0 o64 l0 f2 tileloadd TG,TM
4b v0 o64 l0 66 tileloaddt1 TG,TM
4b v0 o64 l0 f3 tilestored TM,TG
5c v0 o64 l0 reg f3 tdpbf16ps TG,TE,TB distinct
5e v0 o64 l0 reg np tdpbuud TG,TE,TB distinct
5e v0 o64 l0 reg 66 tdpbusd TG,TE,TB distinct
5e v0 o64 l0 reg f3 tdpbsud TG,TE,TB distinct
5e v0 o64 l0 reg f2 tdpbssd TG,TE,TB distinct
`;

export const THREE_BYTE_3A = `
f0 f3 reg /0 rm0 hreset Ib
f0 v f2 l0 rorx Gy,Ey,Ib
`;
