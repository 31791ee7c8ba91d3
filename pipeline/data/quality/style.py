"""The style sheet of the data-quality page."""

CSS = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c2530; --faint: #5c6975; --line: #dde3e9;
  --card: #f6f8fa; --bar: #3b7dd8; --error: #c8322b; --warning: #a86400; --info: #2f6fc1;
  --ok: #23803f; }
@media (prefers-color-scheme: dark) { :root { --ground: #14181d; --ink: #e4e9ee; --faint: #98a4b0;
  --line: #2c343d; --card: #1c2229; --bar: #5b9bf0; --error: #f2726a; --warning: #e3a545;
  --info: #74aef5; --ok: #5cc27c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0 0 .3rem; }
p { margin: .3rem 0; }
.faint { color: var(--faint); font-size: .875rem; }
.error { --tone: var(--error); } .warning { --tone: var(--warning); }
.info { --tone: var(--info); } .ok { --tone: var(--ok); }
.sign { display: inline-block; width: 1.45em; height: 1.45em; line-height: 1.45em; flex: none;
  border-radius: 50%; background: var(--tone); color: var(--ground); text-align: center;
  font-weight: 700; font-size: .85em;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.verdict { display: flex; gap: .6rem; align-items: center; font-size: 1.1rem; font-weight: 600;
  margin: 1rem 0; color: var(--tone); }
article { background: var(--card); border: 1px solid var(--line);
  border-left: 4px solid var(--tone); border-radius: 6px; padding: .8rem 1rem; margin: .7rem 0;
  break-inside: avoid; }
article h3 { display: flex; gap: .6rem; align-items: center; }
article .value { margin-left: auto; white-space: nowrap; color: var(--tone);
  font-variant-numeric: tabular-nums; }
.advice { border-top: 1px dashed var(--line); padding-top: .4rem; margin-top: .5rem; }
code { font-size: .9em; }
summary { cursor: pointer; color: var(--faint); margin: .4rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
thead th { color: var(--faint); font-weight: 500; font-size: .875rem; }
.splits td, .splits th + th, .number { text-align: right; white-space: nowrap; }
.splits td:last-child, .splits th:last-child { padding-right: 0; }
.columns { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); }
.bars th { font-weight: 400; overflow-wrap: anywhere; max-width: 10rem; }
.bars .bar { width: 40%; }
.bar span { display: block; height: .8em; margin-top: .35em; min-width: 1px; border-radius: 2px;
  background: var(--bar); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.examples { font-size: .875rem; }
.examples td { overflow-wrap: break-word; } .examples .text { min-width: 14rem; }
.histogram { width: 100%; height: auto; display: block; }
.histogram .kept { fill: var(--bar); } .histogram .cut { fill: var(--warning); }
.histogram text { fill: var(--faint); font-size: 11px; }
@media (max-width: 36rem) { .histogram text { font-size: 20px; } }
.histogram line { stroke: var(--warning); stroke-dasharray: 4 3; stroke-width: 1.5; }
.cleaning th { font-weight: 500; white-space: nowrap; }
@media print { main { max-width: none; padding: 0; } body { font-size: 11pt; }
  details > summary { display: none; } h2 { break-after: avoid; } section { break-inside: avoid; } }
"""
