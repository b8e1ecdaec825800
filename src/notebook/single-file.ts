export interface SingleFileOptions {
  /** Id of the notebook, from its file name. */
  readonly id: string;
  readonly title: string;
  /** The `.nb.ts` text. */
  readonly text: string;
  /** What `<id>.results.json` holds, or null. */
  readonly results: unknown;
  /** Packages that it imports: gzip in base64, by name. */
  readonly packages: Readonly<Record<string, string>>;
  /** Text of standalone.js, which the build makes. */
  readonly script: string;
}

/**
 * Nothing may come from or go to the network. `unsafe-eval` is for the kernel, whose frame inherits this policy and
 * has one of its own besides; the page's own code evaluates nothing.
 */
const POLICY =
  "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' data: blob:; worker-src data: blob:; " +
  "style-src 'unsafe-inline'; img-src data: blob:; frame-src 'self' data:; base-uri 'none'; form-action 'none'";

/**
 * A notebook as one HTML file: code and recorded results, readable from disk without a network; it runs, on the CPU
 * engine at the least, once its reader says so.
 */
export function singleFile({ id, title, text, results, packages, script }: SingleFileOptions): string {
  const data = JSON.stringify({ id, text, results, packages }).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Fulgurite">
<title>${escape(title)}</title>
<style>html { color-scheme: light dark; background: light-dark(#fdfdff, #111116); }</style>
</head>
<body>
<noscript><pre>${escape(text)}</pre></noscript>
<script type="application/json" id="fulgurite-notebook">${data}</script>
<script>${script.replace(/<(?=\/script|!--)/gi, "\\x3c")}</script>
</body>
</html>
`;
}

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
