/** The kinds of steps: actions of operators, and faults. */

export const OPERATIONS = [
  'upload',
  'upload again',
  'delete',
  'delete and upload again',
  'add a sled',
  'expunge a sled',
  'replace a sled',
  'add a Nexus',
  'expunge a Nexus',
  'take a lease',
  'return a lease',
  'recover the generation',
  'upgrade a sled',
] as const;
export type OperatorAct = (typeof OPERATIONS)[number];

export const FAULTS = [
  'kill a sled',
  'cut the power of a sled',
  'kill a sled in an operation',
  'kill a Nexus',
  'cut the power of a Nexus',
  'kill a Nexus in an operation',
  'pause a Nexus',
  'pause a sled',
  'partition the network',
  'partition it one way',
  'hold up links',
  'dataset absent',
  'dataset unmounted',
  'dataset read-only',
  'dataset failing',
  'dataset full',
  'dataset with old content',
  'dataset replaced',
  'datasets absent in turn',
  'flip a bit',
  'cut a file short',
  'clock jumps',
  'database away',
  'database restored',
  'database fails over',
  'database fails over while machines are away',
  'sled lies',
  'wipe a sled',
  'destroy a Nexus',
] as const;
type Fault = (typeof FAULTS)[number];

/** Faults of identities, and joins. Drawn after all others, so that these stay the same. */
export const IDENTITY_ACTS = ['clock a year off', 'join with one token'] as const;
type IdentityAct = (typeof IDENTITY_ACTS)[number];

/** What a person signs with the admin key: in fleets that have one. Drawn last; the first where deletions wait. */
export const DECISIONS = [
  'allow deletions',
  'expunge a sled by mistake',
  'trust another signer',
  'upload a release without metadata',
] as const;
export type Decision = (typeof DECISIONS)[number];

/** Hostile callers: in hostile runs alone. */
export const HOSTILITIES = ['a Nexus is taken over', 'a sled is taken over', 'a stranger calls'] as const;
export type Hostility = (typeof HOSTILITIES)[number];

export type StepKind = Fault | OperatorAct | IdentityAct | Decision | Hostility;

/** One action or fault, at its time. Its numbers choose among the machines and releases of that time. */
export type Step = {
  /** Its number in the script, by which a replay of some steps names it. */
  readonly number: number;
  readonly atMs: number;
  readonly kind: StepKind;
  readonly choice: readonly [number, number, number];
  /** How long it lasts, if it does. */
  readonly forMs: number;
};

export const describeStep = ({ number, kind, forMs }: Step): string =>
  `step ${number}: ${kind} (${Math.round(forMs / 1000)} s)`;
