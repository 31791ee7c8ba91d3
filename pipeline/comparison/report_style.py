"""The style sheet of a comparison's HTML report, on top of that of all reports."""

STYLE = """
nav { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .8rem 0 0; font-size: .925rem; }
a { color: var(--info); text-underline-offset: .15em; }
h1 .faint { font-weight: 400; }
.verdict.also { font-size: 1rem; margin: .5rem 0; }
.notes { margin: .8rem 0; padding: .6rem 1rem .6rem 1.9rem; background: var(--card);
  border-radius: 6px; font-size: .925rem; }
.badge { display: inline-block; min-width: 1.5em; padding: 0 .3em; border-radius: 4px;
  border: 2px solid var(--own); text-align: center; line-height: 1.35; font-size: .85em; }
.colour-0 { --own: var(--colour-0); } .colour-1 { --own: var(--colour-1); }
.colour-2 { --own: var(--colour-2); } .colour-3 { --own: var(--colour-3); }
.colour-4 { --own: var(--colour-4); } .colour-5 { --own: var(--colour-5); }
.table small { display: block; color: var(--faint); font-size: .8rem; font-weight: 400; }
.title { display: inline-block; }
.table th.name { overflow-wrap: anywhere; max-width: 20rem; }
.table .part th { font-weight: 600; padding-top: 1rem; position: static; }
.table td, .table th { padding-right: .9rem; }
.table td:last-child, .table th:last-child { padding-right: 0; }
.table .number { white-space: nowrap; } .table .strong { font-weight: 700; }
.outcome { color: var(--tone, var(--faint)); white-space: nowrap; font-size: 1em; }
.outcome.ok, .outcome.error { font-weight: 600; }
.runs span { white-space: nowrap; margin-right: .8rem; }
.table td.faint, .table thead th { font-size: .95em; }
.settings td { overflow-wrap: anywhere; min-width: 7rem; font-family: ui-monospace, monospace;
  font-size: .85rem; }
.pair.better { background: color-mix(in srgb, var(--ok) 16%, transparent); font-weight: 700; }
.pair.worse { background: color-mix(in srgb, var(--error) 16%, transparent); font-weight: 700; }
.pairs td { padding: .3rem .6rem; border-left: 1px solid var(--line); }
.pairs td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.table .pairs th, .table .pairs td:last-child { padding-right: .6rem; }
details { border: 1px solid var(--line); border-radius: 6px; padding: .1rem .9rem;
  margin: .6rem 0; }
summary { color: var(--ink); padding: .2rem 0; }
.example { --tone: var(--line); } .example .text { white-space: pre-wrap; overflow-wrap: anywhere;
  margin-bottom: .5rem; }
.example dl { display: grid; grid-template-columns: auto 1fr; gap: .2rem .8rem; margin: 0; }
.example dt { min-width: 2.6rem; white-space: nowrap; }
.example dd { margin: 0; overflow-wrap: anywhere; }
.mark { color: var(--tone, var(--faint)); font-weight: 700; font-size: 1em; }
#method li { margin: .35rem 0; } #method ul { padding-left: 1.2rem; font-size: .925rem; }
.costs small { display: inline-block; min-width: 4.2em; }
@media screen and (max-width: 40rem) { .metrics .long, .pairs .long { display: none; }
  .metrics.two th:first-child { min-width: 5.5rem; } .groups th.name { min-width: 8rem; }
  .table td, .table th { padding-right: .6rem; } .table small { font-size: .72rem; }
  .table .two td.number, .table .slices td.number { white-space: normal; }
  .title { display: inline; }
  .costs small { display: block; min-width: 0; } }
@media print { nav { display: none; } a { color: inherit; text-decoration: none; }
  details > summary { display: block; list-style: none; font-weight: 600; }
  details::details-content { content-visibility: visible; block-size: auto; }
  details { border: none; padding: 0; } section { break-inside: auto; }
  tr { break-inside: avoid; } .table small { font-size: 7pt; } }
"""
