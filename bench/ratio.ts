/** Two contenders, alternating on the same machine in the same minute: only their ratio is comparable. */
export type Contender = {
  readonly name: string;
  readonly run: () => Promise<void>;
  /** Before each run, outside of its time. */
  readonly prepare?: () => Promise<void>;
};

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1]!;

const timed = async ({ run, prepare }: Contender): Promise<number> => {
  await prepare?.();
  const startMs = performance.now();
  await run();
  return performance.now() - startMs;
};

/** The speed of so many bytes, for {@link compare}. */
export const bytesPerSecond =
  (sizeBytes: number) =>
  (ms: number): string =>
    `${(sizeBytes / 1e3 / ms).toFixed(0).padStart(5)} MB/s`;

/** Prints each round, and the median of how many times as fast as `baseline` the `subject` is. */
export const compare = async (
  subject: Contender,
  baseline: Contender,
  { rounds, speedOf: speed, target }: { rounds: number; speedOf: (ms: number) => string; target: number },
): Promise<void> => {
  const ratios: number[] = [];
  // One unrecorded turn each warms the page cache and the compiler.
  await timed(subject);
  await timed(baseline);
  for (let round = 0; round < rounds; round += 1) {
    const inTurn = round % 2 === 0;
    const first = await timed(inTurn ? subject : baseline);
    const second = await timed(inTurn ? baseline : subject);
    const [ours, theirs] = inTurn ? [first, second] : [second, first];
    ratios.push(theirs / ours);
    const ratio = (theirs / ours).toFixed(2);
    console.log(
      `  round ${round + 1}: ${subject.name} ${speed(ours)}, ${baseline.name} ${speed(theirs)}, ratio ${ratio}`,
    );
  }
  const verdict = median(ratios) >= target ? 'reached' : 'MISSED';
  console.log(`median ratio ${median(ratios).toFixed(2)}, target ${target}: ${verdict}`);
};
