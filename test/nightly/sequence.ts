/**
 * Steps one after the other, all of them: what fails does not keep the rest from running, and what a machine cannot run
 * is skipped and named, never passed.
 */

export type Step = {
  readonly name: string;
  /** Of package.json. */
  readonly script: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What this machine lacks for it; undefined, or absent, where it can run. */
  readonly missing?: () => Promise<string | undefined>;
};

export type Outcome = {
  readonly name: string;
  readonly kind: 'passed' | 'failed' | 'skipped';
  readonly seconds: number;
  /** Of a failure or a skip. */
  readonly because: string | undefined;
};

export type Deps = {
  /** @returns why it failed; undefined where it passed */
  readonly execute: (step: Step) => Promise<string | undefined>;
  readonly nowMs: () => number;
  readonly print: (line: string) => void;
};

/** @throws where a name is of no step */
export const chooseSteps = (
  steps: readonly Step[],
  names: readonly string[] | undefined,
): readonly Step[] => {
  const known = steps.map(({ name }) => name);
  const unknown = names?.find(name => !known.includes(name));
  if (unknown !== undefined) throw new Error(`there is no step ${unknown}, only ${known.join(', ')}`);
  return steps.filter(({ name }) => names?.includes(name) ?? true);
};

export const commandOf = ({ script, args, env = {} }: Step): string =>
  [
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    'npm run',
    script,
    ...(args.length === 0 ? [] : ['--', ...args]),
  ].join(' ');

export const runSteps = async (steps: readonly Step[], deps: Deps): Promise<readonly Outcome[]> => {
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    deps.print(`\n== ${step.name}: ${commandOf(step)}`);
    const startedMs = deps.nowMs();
    const result = await runStep(step, deps).catch((error: Error) => failed(error.message));
    const seconds = Math.round((deps.nowMs() - startedMs) / 1000);
    const outcome = { name: step.name, seconds, ...result };
    deps.print(lineOf(outcome));
    outcomes.push(outcome);
  }
  return outcomes;
};

type Result = Pick<Outcome, 'kind' | 'because'>;

const failed = (because: string): Result => ({ kind: 'failed', because });

const runStep = async (step: Step, { execute }: Deps): Promise<Result> => {
  const missing = await step.missing?.();
  if (missing !== undefined) return { kind: 'skipped', because: `without ${missing}` };
  const failure = await execute(step);
  return failure === undefined ? { kind: 'passed', because: undefined } : failed(failure);
};

export const lineOf = ({ name, kind, seconds, because }: Outcome): string =>
  `${name.padEnd(14)}${kind.padEnd(9)}${`${seconds} s`.padStart(7)}${because === undefined ? '' : `  ${because}`}`;

/** A night in which nothing ran has shown nothing. */
export const hasPassed = (outcomes: readonly Outcome[]): boolean =>
  outcomes.every(({ kind }) => kind !== 'failed') && outcomes.some(({ kind }) => kind === 'passed');
