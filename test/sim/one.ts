import { createReleaseShelf } from '../../src/sim/fleet/releases.ts';
import { runSeed } from '../../src/sim/run.ts';
const [first, count, mode] = process.argv.slice(2);
const shelf = createReleaseShelf();
for (let i=0;i<24;i++) await shelf.release(i);
const t0 = performance.now();
let events=0, virt=0; const reached = new Set<string>();
for (let seed = Number(first); seed < Number(first) + Number(count); seed += 1) {
  const t = performance.now();
  const result = await runSeed({ seed, size: 'any', shelf, write: mode === 'trace' ? line => console.log(line) : undefined });
  events += result.events; virt += result.virtualMs;
  for (const r of result.reached) reached.add(r);
  if (result.violation) console.log(seed, result.violation.guarantee, result.violation.message, result.violation.atMs, 'steps', result.steps.length);
  const dt = performance.now()-t;
  if (dt > 1000) console.log('slow', seed, dt, result.events);
}
const dt = performance.now() - t0;
console.log(`${count} runs in ${dt} ms, ${dt/Number(count)} ms each, ${events/Number(count)} events, ${virt/Number(count)/60000} min`);
console.log([...reached].sort().join('\n'));
