/** For the few pages that the server writes itself (log folders): they need no script. */
export const style = `:root { color-scheme: light dark; --dim: #5c6370; --line: #d9dce1; --good: #1a7f37; --bad: #c4252f; --busy: #2456c9; }
@media (prefers-color-scheme: dark) { :root { --dim: #9aa2af; --line: #2d333d; --good: #4cc267; --bad: #ff7b72; --busy: #7aa7ff; } }
body { font: 14px/1.5 system-ui, sans-serif; margin: 1.25rem auto; max-width: 75rem; padding: 0 1rem; }
a { color: inherit; text-decoration-color: var(--dim); text-underline-offset: 2px; }
a:hover { text-decoration-color: currentColor; }
h1 { font-size: 1.15rem; overflow-wrap: anywhere; }
pre, code { font: 12.5px/1.5 ui-monospace, monospace; }
pre { border: 1px solid var(--line); border-radius: 6px; overflow-x: auto; padding: .6rem .8rem; }
.success { color: var(--good); } .failure { color: var(--bad); } .running { color: var(--busy); } .dim { color: var(--dim); }
table { border-collapse: collapse; } td, th { border-bottom: 1px solid var(--line); padding: .2rem 1.5rem .2rem 0; text-align: left; }
td { overflow-wrap: anywhere; } th { color: var(--dim); font-weight: 500; } .number { text-align: right; white-space: nowrap; }
`;
