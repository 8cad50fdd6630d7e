/**
 * Keeps the README's transcript true: what a real demo writes to standard output, line by line, but for what
 * differs each time. Progress goes to standard error and is not part of it.
 *
 *     npm run --silent demo | tee demo.log
 *     bin/node24 test/readme-transcript.ts check demo.log    # exits 1 and shows the first line that differs
 *     bin/node24 test/readme-transcript.ts write demo.log
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const README = join(import.meta.dirname, '../README.md');
const BLOCK = /(<!-- transcript:[^\n]*-->\n```text\n)([\s\S]*?)(```\n<!-- \/transcript -->)/;
const lines = (text: string): string[] => text.split('\n').map(line => line.trimEnd());

/** Numbers, identifiers and the padding that follows from their width, masked. */
const masked = (line: string): string =>
  line
    .replace(/\b[0-9a-f]{12}\b/g, 'KEY')
    .replace(/\d+(\.\d+)*/g, 'N')
    .replace(/\bN (KiB|MiB|GiB|B)\b/g, 'N bytes')
    .replace(/\bN (ms|s|min|h)( N (s|min))?\b/g, 'N time')
    .replace(/ {2,}/g, ' ');

const [mode, logFile] = process.argv.slice(2);
if ((mode !== 'check' && mode !== 'write') || logFile === undefined) {
  throw new Error('usage: readme-transcript.ts check|write DEMO-LOG');
}
const readme = await readFile(README, 'utf8');
const block = BLOCK.exec(readme);
if (block === null) throw new Error('README.md has no transcript');
const seen = lines((await readFile(logFile, 'utf8')).trim());

if (mode === 'write') {
  await writeFile(
    README,
    readme.replace(BLOCK, (_, head, _old, tail) => `${head}${seen.join('\n')}\n${tail}`),
  );
} else {
  const shown = lines(block[2]!.trim());
  const differs = Array.from({ length: Math.max(seen.length, shown.length) }, (_, n) => n).find(
    n => masked(seen[n] ?? '(nothing)') !== masked(shown[n] ?? '(nothing)'),
  );
  if (differs !== undefined) {
    console.error(`README.md's transcript is not what the demo prints, from line ${differs + 1} on:`);
    console.error(`  README: ${shown[differs] ?? '(nothing)'}\n  demo:   ${seen[differs] ?? '(nothing)'}`);
    console.error('If the demo is right: bin/node24 test/readme-transcript.ts write DEMO-LOG');
    process.exitCode = 1;
  } else console.log(`README.md's transcript is what the demo prints (${seen.length} lines)`);
}
