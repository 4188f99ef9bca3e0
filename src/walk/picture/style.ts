const SANS = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif";
const MONO = "'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace";

/** Blue is EPT, brown the guest, green and red the end; each also says so in words or has a sign. */
export const STYLE = `
text { font-family: ${SANS}; fill: #1b2733 }
.title { font-size: 21px; font-weight: bold }
.request { font-size: 14px; fill: #3d4c5a }
.head { font-size: 14px; font-weight: bold; text-anchor: middle }
.sub { font-size: 12px; fill: #55636f; text-anchor: middle }
.label { font-size: 13px; font-weight: bold }
.middle { text-anchor: middle }
.small { font-size: 12px; fill: #3d4c5a }
.right { font-size: 12px; fill: #3d4c5a; text-anchor: end }
.code { font-family: ${MONO}; font-size: 12px }
.value { font-family: ${MONO}; font-size: 12px; font-weight: bold }
.rights { font-family: ${MONO}; font-size: 12px; text-anchor: end }
.number { font-size: 12px; font-weight: bold; fill: #fff; text-anchor: middle }
.quiet { font-size: 12px; fill: #6c7985; text-anchor: middle }
.fails { font-size: 12px; font-weight: bold; fill: #a31d16 }
.result { font-family: ${MONO}; font-size: 15px; font-weight: bold; text-anchor: middle }
.end { font-size: 16px; font-weight: bold }
.line { font-size: 13px }
.paper { fill: #fff }
.ept { fill: #e9f1fa; stroke: #2b5c92; stroke-width: 1.4 }
.guest { fill: #fbf0e0; stroke: #9a5b12; stroke-width: 1.4 }
.address { fill: #f4f6f8; stroke: #7d8b98; stroke-width: 1.2 }
.done { fill: #e4f4e8; stroke: #23713f; stroke-width: 2.4 }
.failed { fill: #fdeae8; stroke: #b3261e; stroke-width: 3.2 }
.unreached { fill: none; stroke: #b4bec8; stroke-width: 1.2; stroke-dasharray: 5 4 }
.none { fill: none; stroke: #d5dce2; stroke-width: 1.2; stroke-dasharray: 1.5 4 }
.band { fill: #f3f7fb }
.badge-ept { fill: #2b5c92 } .badge-guest { fill: #9a5b12 } .badge-failed { fill: #b3261e }
.disc { stroke: none } .good { fill: #23713f } .bad { fill: #b3261e }
.sign { fill: none; stroke: #fff; stroke-width: 2.6; stroke-linecap: round; stroke-linejoin: round }
.way { fill: none; stroke: #44525f; stroke-width: 1.6 }
.through { fill: none; stroke: #9aa6b1; stroke-width: 1.4; stroke-dasharray: 4 3 }
#head path { fill: #44525f }`;
