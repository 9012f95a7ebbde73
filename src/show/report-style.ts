import { ink, sans } from './theme.ts';

/** The look of a report: a column of text, figures as wide as they need, narrow screens and print included. */
export const reportStyle: string = `
:root{color-scheme:light;--text:${ink.text};--muted:${ink.muted};--line:${ink.faint};--surface:${ink.surface};--accent:${ink.accent}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0 auto;max-width:980px;padding:48px 24px 64px;font:16px/1.6 ${sans};color:var(--text);background:#fff}
h1{font-size:2rem;line-height:1.2;margin:0 0 12px;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:1.3rem;line-height:1.3;margin:0 0 12px}
p{margin:0 0 14px;max-width:70ch}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--surface);padding:.1em .35em;border-radius:4px}
.summary{font-size:1.1rem;color:var(--muted)}
nav{margin:24px 0 0;padding:14px 20px;background:var(--surface);border-radius:8px}
nav ol{margin:0;padding-left:1.4em;columns:2;column-gap:32px}
nav a{color:var(--accent);text-decoration:none}
nav a:hover,nav a:focus{text-decoration:underline}
section{margin-top:44px;padding-top:28px;border-top:1px solid var(--line)}
.figure{margin:20px 0 28px}
.scroll{overflow-x:auto}
.scroll>svg,.scroll>img{max-width:100%;height:auto;display:block}
figcaption{margin-top:8px;font-size:.9rem;color:var(--muted);max-width:70ch}
footer{margin-top:56px;padding-top:24px;border-top:1px solid var(--line);font-size:.85rem;color:var(--muted)}
footer h2{font-size:1rem;color:var(--text)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px;margin:0}
dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media (max-width:600px){body{padding:24px 16px 40px}h1{font-size:1.6rem}nav ol{columns:1}}
@media print{body{max-width:none;padding:0}section,.figure{break-inside:avoid}}
`.trim();
