// SDM Vol. 2, Table A-3 Two-byte Opcode Map: 00H-7FH (First Byte is 0FH), general-purpose and system instructions. Notation: rows.ts
export const TWO_BYTE = `
00 /0 sldt Ev/w
00 /1 str Ev/w
00 /2 lldt Ew
00 /3 ltr Ew
00 /4 verr Ew
00 /5 verw Ew
01 /0 sgdt Ms f64
01 /1 sidt Ms f64
01 /2 lgdt Ms f64
01 /3 lidt Ms f64
01 /4 smsw Ev/w
01 f3 /5 rstorssp Mq
01 /6 lmsw Ew
01 /7 invlpg M
01 reg np /0 rm0 enclv
01 reg np /0 rm1 vmcall
01 reg np /0 rm2 vmlaunch
01 reg np /0 rm3 vmresume
01 reg np /0 rm4 vmxoff
01 reg np /0 rm5 pconfig
01 reg np /1 rm0 monitor seg
01 reg np /1 rm1 mwait
01 reg np /1 rm2 clac
01 reg np /1 rm3 stac
01 reg 66 /1 rm4 tdcall
01 reg 66 /1 rm5 o64 seamret
01 reg 66 /1 rm6 o64 seamops
01 reg 66 /1 rm7 o64 seamcall
01 reg np /1 rm7 encls
01 reg np /2 rm0 xgetbv
01 reg np /2 rm1 xsetbv
01 reg np /2 rm4 vmfunc
01 reg np /2 rm5 xend
01 reg np /2 rm6 xtest
01 reg np /2 rm7 enclu
# AMD64 Architecture Programmer's Manual Vol. 3, Appendix A: SVM
01 reg /3 rm0 vmrun
01 reg /3 rm1 vmmcall
01 reg /3 rm2 vmload
01 reg /3 rm3 vmsave
01 reg /3 rm4 stgi
01 reg /3 rm5 clgi
01 reg /3 rm6 skinit
01 reg /3 rm7 invlpga
01 reg np /5 rm0 serialize
01 reg f3 /5 rm0 setssbsy
01 reg f2 /5 rm0 xsusldtrk
01 reg f2 /5 rm1 xresldtrk
01 reg f3 /5 rm2 saveprevssp
01 reg f3 /5 rm4 o64 uiret
01 reg f3 /5 rm5 o64 testui
01 reg f3 /5 rm6 o64 clui
01 reg f3 /5 rm7 o64 stui
01 reg np /5 rm6 rdpkru
01 reg np /5 rm7 wrpkru
01 reg o64 /7 rm0 swapgs
01 reg /7 rm1 rdtscp
02 lar Gv,Ew
03 lsl Gv,Ew
05 syscall
06 clts
07 sysret
08 invd
09 f3 wbnoinvd
09 wbinvd
0b ud2
0d /1 prefetchw Mb
0d /2 prefetchwt1 Mb
0d nop Ev
18 /0 prefetchnta Mb
18 /1 prefetcht0 Mb
18 /2 prefetcht1 Mb
18 /3 prefetcht2 Mb
18 nop Ev
19 nop Ev
# MPX is in no processor that is modelled: 0F 1A and 0F 1B are NOPs.
1a nop Ev
1b nop Ev
1c np /0 cldemote Mb
1c nop Ev
1d nop Ev
1e reg f3 /1 rdssp Ry
1e reg f3 /7 rm2 endbr64
1e reg f3 /7 rm3 endbr32
1e nop Ev
1f nop Ev
20 mov_cr Rn,C n64
21 mov_dr Rn,D n64
22 mov_cr C,Rn n64
23 mov_dr D,Rn n64
30 wrmsr
31 rdtsc
32 rdmsr
33 rdpmc
34 sysenter
35 sysexit
37 np getsec
40+cc cmovcc Gv,Ev
78 np vmread En,Gn n64
79 np vmwrite Gn,En n64
80+cc jcc Jz f64
90+cc setcc Eb
a0 push_sreg FS d64
a1 pop_sreg FS d64
a2 cpuid
a3 bt Ev,Gv
a4 shld Ev,Gv,Ib
a5 shld Ev,Gv,CL
a8 push_sreg GS d64
a9 pop_sreg GS d64
aa rsm
ab bts Ev,Gv lock
ac shrd Ev,Gv,Ib
ad shrd Ev,Gv,CL
ae np w0 /0 fxsave M4096
ae np w1 /0 fxsave64 M4096
ae np w0 /1 fxrstor M4096
ae np w1 /1 fxrstor64 M4096
ae np w0 /4 xsave M
ae np w1 /4 xsave64 M
ae np w0 /5 xrstor M
ae np w1 /5 xrstor64 M
ae np w0 /6 xsaveopt M
ae np w1 /6 xsaveopt64 M
ae f3 /6 clrssbsy Mq
ae 66 /6 clwb Mb
ae np /7 clflush Mb
ae 66 /7 clflushopt Mb
ae f3 n66 /4 ptwrite Ey
ae reg o64 f3 /0 rdfsbase Ry
ae reg o64 f3 /1 rdgsbase Ry
ae reg o64 f3 /2 wrfsbase Ry
ae reg o64 f3 /3 wrgsbase Ry
ae reg f3 /5 incssp Ry
ae reg np /5 lfence
ae reg np /6 mfence
ae reg np /7 sfence
ae reg 66 /6 tpause Rd
# Intel Architecture Instruction Set Extensions Programming Reference (319433-024)
ae reg 66 /7 rm0 pcommit
ae reg f3 /6 umonitor Rj seg
ae reg f2 /6 umwait Rd
af imul Gv,Ev
b0 cmpxchg Eb,Gb lock
b1 cmpxchg Ev,Gv lock
b2 lss Gv,Mp
b3 btr Ev,Gv lock
b4 lfs Gv,Mp
b5 lgs Gv,Mp
b6 movzx Gv,Eb
b7 movzx Gv,Ew
b8 f3 popcnt Gv,Ev
b9 ud1 Gv,Ev
ba /4 bt Ev,Ib
ba /5 bts Ev,Ib lock
ba /6 btr Ev,Ib lock
ba /7 btc Ev,Ib lock
bb btc Ev,Gv lock
bc f3 tzcnt Gv,Ev
bc bsf Gv,Ev
bd f3 lzcnt Gv,Ev
bd bsr Gv,Ev
be movsx Gv,Eb
bf movsx Gv,Ew
c0 xadd Eb,Gb lock
c1 xadd Ev,Gv lock
c3 np movnti My,Gy
c7 w0 /1 cmpxchg8b Mq lock
c7 w1 /1 cmpxchg16b Mo lock
c7 np w0 /3 xrstors M
c7 np w1 /3 xrstors64 M
c7 np w0 /4 xsavec M
c7 np w1 /4 xsavec64 M
c7 np w0 /5 xsaves M
c7 np w1 /5 xsaves64 M
c7 np /6 vmptrld Mq
c7 66 /6 vmclear Mq
c7 f3 /6 vmxon Mq
c7 np /7 vmptrst Mq
c7 reg f3 /6 o64 senduipi Rq
c7 reg np /6 rdrand Rv
c7 reg 66 /6 rdrand Rv
c7 reg f3 /7 rdpid Rn
c7 reg np /7 rdseed Rv
c7 reg 66 /7 rdseed Rv
c8+r bswap Zv
ff ud0 Gv,Ev
`;
