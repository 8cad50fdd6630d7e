/** The arguments of `npm run sim`. */
import { parseArgs } from 'node:util';
import type { FleetSize } from '../../sim/script/swarm.ts';

/** The size of a seed's run by default; the command of a replay names any other. */
export const DEFAULT_SIZE: FleetSize = 'any';

export const USAGE = `npm run sim -- --seed S [--steps 3,7,12] [--size any|small] [--quiet] [--json]
npm run sim -- --seeds N [--minutes M] [--first S | --commit] [--size any|small] [--json]`;

export type SimCommand =
  | {
      readonly kind: 'replay';
      readonly seed: number;
      readonly size: FleetSize;
      readonly only: ReadonlySet<number> | undefined;
      readonly isQuiet: boolean;
      readonly isJson: boolean;
    }
  | {
      readonly kind: 'search';
      /** Absent for any, and for the commit's. */
      readonly first: number | undefined;
      readonly isOfCommit: boolean;
      readonly seeds: number;
      readonly minutes: number;
      readonly size: FleetSize;
      readonly isJson: boolean;
    };

/** A wrong argument; the message says what is wrong. */
export class BadArgument extends Error {}

/** @throws {BadArgument} */
export const readArguments = (args: readonly string[]): SimCommand => {
  const values = parse(args);
  const size = readSize(values.size);
  const isJson = values.json;
  const refuse = (mode: string, names: readonly (keyof typeof values)[]) => {
    for (const name of names)
      if (values[name] !== undefined && values[name] !== false)
        throw new BadArgument(`--${name} says nothing ${mode}`);
  };
  if (values.seed !== undefined) {
    refuse('beside --seed', ['seeds', 'minutes', 'first', 'commit']);
    const only = values.steps === undefined ? undefined : readSteps(values.steps);
    return { kind: 'replay', seed: whole('seed', values.seed), size, only, isQuiet: values.quiet, isJson };
  }
  refuse('without --seed', ['steps', 'quiet']);
  if (values.seeds === undefined && values.minutes === undefined)
    throw new BadArgument('needs --seed, --seeds or --minutes');
  if (values.commit) refuse('beside --commit', ['first']);
  return {
    kind: 'search',
    first: values.first === undefined ? undefined : whole('first', values.first),
    isOfCommit: values.commit,
    seeds: values.seeds === undefined ? Number.POSITIVE_INFINITY : whole('seeds', values.seeds, 1),
    minutes: values.minutes === undefined ? Number.POSITIVE_INFINITY : readMinutes(values.minutes),
    size,
    isJson,
  };
};

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string' },
        steps: { type: 'string' },
        quiet: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        seeds: { type: 'string' },
        minutes: { type: 'string' },
        first: { type: 'string' },
        commit: { type: 'boolean', default: false },
        size: { type: 'string', default: DEFAULT_SIZE },
      },
    }).values;
  } catch (error) {
    throw new BadArgument((error as Error).message);
  }
};

const whole = (name: string, text: string, least = 0): number => {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < least)
    throw new BadArgument(`--${name} takes a whole number from ${least} on, not '${text}'`);
  return number;
};

/** An empty list selects no step. */
const readSteps = (text: string): ReadonlySet<number> =>
  new Set(text === '' ? [] : text.split(',').map(each => whole('steps', each)));

const readMinutes = (text: string): number => {
  const minutes = Number(text);
  if (!(minutes > 0) || !Number.isFinite(minutes))
    throw new BadArgument(`--minutes takes a number above 0, not '${text}'`);
  return minutes;
};

const readSize = (text: string): FleetSize => {
  if (text !== 'small' && text !== 'any')
    throw new BadArgument(`--size: must be small or any, not '${text}'`);
  return text;
};
