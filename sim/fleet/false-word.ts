/**
 * What a Nexus that was taken over tells sleds in the place of a person: statements, and chains of trust roots.
 *
 *     its own key, under its own name or the admin's ─┐
 *     a real statement, changed or cut                ├─▶ sleds
 *     a real statement, of other points and times     │
 *     a real statement, for another fleet of the key  │
 *     roots of its own, alone or after a real one    ─┘
 *
 * FWD1. It plants by what it said: the roots, the bundles, the points and the identities are those that it uses.
 */
import type { ArtifactConfigBody } from '../../src/api/sled-agent-api.ts';
import { digestInput } from '../../src/core/artifact-config.ts';
import { asGeneration, type Point, pointText } from '../../src/core/ids.ts';
import type { Rng } from '../../src/core/rng.ts';
import type { RestoredIdentity, SignedStatement, StatementContent } from '../../src/core/statement.ts';
import { signStatement } from '../../src/identity/admin-key.ts';
import { FALSE_ADMIN_KEY } from '../identity/admin.ts';
import { FLEET } from '../identity/passport.ts';
import { requestContext } from '../network/request-context.ts';
import { EPOCH_MS } from '../time/process.ts';
import { idFrom, pick } from '../time/streams.ts';
import { FORGED_VERSION } from './forged-bundles.ts';
import type { Ask, HostileCaller } from './hostile-call.ts';
import { sha256Of } from './sha256.ts';
import { FALSE_SUCCESSOR, FORGER, OTHER_SIGNERS, PINNED_SIGNER } from './signers.ts';
import type { World } from './world.ts';

type Speaker = {
  readonly world: World;
  readonly rng: Rng;
  readonly planted: readonly Uint8Array[];
  readonly ask: Ask;
  readonly passport: HostileCaller['passport'];
  /** The config of the sled, as far as it is known. */
  readonly known: ArtifactConfigBody | undefined;
  /** Real statements that it has read from sleds. */
  readonly heard: Map<string, SignedStatement>;
};

/** What it would take to plant on this sled. */
export const sayAllOfIt = async (speaker: Omit<Speaker, 'heard'>): Promise<void> => {
  if (speaker.rng.below(3) === 0) await sayElsewhere(speaker);
  else await say(speaker, 'of its own key', await ownStatements(speaker));
  await tellRoots(speaker);
};

export const speakForAPerson = async (speaker: Speaker): Promise<void> => {
  const { rng } = speaker;
  await listen(speaker);
  const real = [...speaker.heard.values()];
  switch (rng.below(real.length > 0 ? 5 : 3)) {
    case 0:
      await say(speaker, 'of its own key', await ownStatements(speaker));
      break;
    case 1:
      await tellRoots(speaker);
      break;
    case 2:
      await sayElsewhere(speaker);
      break;
    case 3: {
      const special = await speaker.world.shelf.special();
      const bundles = special.flatMap(({ verified }) => verified.bundle?.sha256 ?? []);
      const statements = real.map(signed => changed(speaker, signed, bundles));
      await say(speaker, 'changed', statements);
      break;
    }
    default:
      await say(speaker, 'of a person', real);
  }
};

const listen = async ({ ask, heard }: Speaker): Promise<void> => {
  const told = await ask('reads the statements', incoming =>
    incoming.endpoint.agent.statementsGet({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: undefined,
    }),
  );
  for (const signed of told?.statements ?? []) heard.set(signed.statement, signed);
};

/** What a person would have decided here, and has decided for another fleet with the same key. */
const sayElsewhere = async (speaker: Omit<Speaker, 'heard'>): Promise<void> => {
  const { world } = speaker;
  if (world.admin.pinned.length === 0) return;
  const elsewhere = (await wishes(speaker)).map(world.admin.signElsewhere);
  const refused = await say(speaker, 'of another fleet', elsewhere);
  if (refused > 0) world.trace.reached('a real statement of another fleet was refused');
};

/** @returns how many the sled refused */
const say = async (
  { world, ask }: Pick<Speaker, 'world' | 'ask'>,
  which: string,
  statements: readonly SignedStatement[],
): Promise<number> => {
  const answer = await ask(`sends ${statements.length} statements ${which}`, incoming =>
    incoming.endpoint.agent.statementsPut({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: { statements: [...statements] },
    }),
  );
  if (answer === undefined || statements.length === 0) return 0;
  if (answer.refused.length > 0) world.trace.reached('a false statement was refused');
  else world.trace.reached('a real statement was replayed');
  return answer.refused.length;
};

/** Everything that the sled would need to hear, about what it has, what the intruder plants, and who the intruder is. */
const wishes = async (speaker: Omit<Speaker, 'heard'>): Promise<readonly StatementContent[]> => {
  const { world, rng, planted } = speaker;
  const point = pointOf(speaker);
  const bundles = await Promise.all(planted.map(bytes => world.shelf.forge(bytes, rng.below(2) === 0)));
  const roots = [FORGER, FALSE_SUCCESSOR, ...OTHER_SIGNERS];
  const own = ownIdentity(speaker);
  return [
    { kind: 'allow_deletion', point },
    { kind: 'accept_points', points: [point] },
    ...roots.map(({ rootSha256 }) => ({ kind: 'trust_root', rootSha256 }) as const),
    { kind: 'distrust_root', rootSha256: PINNED_SIGNER.rootSha256 },
    ...bundles.map(
      ({ sha256 }) => ({ kind: 'exempt_release', systemVersion: FORGED_VERSION, bundle: sha256 }) as const,
    ),
    ...(await world.shelf.special()).flatMap(({ needs }) => (needs?.kind === 'exempt_release' ? needs : [])),
    ...(own === undefined ? [] : [{ kind: 'restore_identity', identity: own } as const]),
  ];
};

const ownIdentity = ({ passport }: Pick<Speaker, 'passport'>): RestoredIdentity | undefined => {
  const own = passport()?.identity;
  return own && { kind: own.kind, id: own.id };
};

const ownStatements = async (speaker: Omit<Speaker, 'heard'>): Promise<SignedStatement[]> => {
  const { world, rng } = speaker;
  const contents = await wishes(speaker);
  const time = new Date(EPOCH_MS + world.scheduler.nowMs()).toISOString();
  const names = [FALSE_ADMIN_KEY.digest, ...world.admin.pinned.map(({ digest }) => digest)];
  const key = pick(rng, names);
  return contents.map(content => ({
    ...signStatement({ ...content, fleet: FLEET, id: idFrom(rng), time }, FALSE_ADMIN_KEY),
    key,
  }));
};

const pointOf = ({ known }: Pick<Speaker, 'known'>): Point => ({
  generation: asGeneration(known?.generation ?? 1),
  digest: sha256Of(Buffer.from(digestInput(known?.artifacts ?? []))),
});

/** The signature of a person, under another point, root, release or identity, or under another time. */
const changed = (speaker: Speaker, signed: SignedStatement, bundles: readonly string[]): SignedStatement => {
  const { rng } = speaker;
  const said = JSON.parse(signed.statement);
  const point = pointText(pointOf(speaker));
  const own = ownIdentity(speaker);
  if ('point' in said) said.point = point;
  else if ('points' in said) said.points = [point];
  else if ('root_sha256' in said && rng.below(2) === 0) said.root_sha256 = FORGER.rootSha256;
  else if ('bundle' in said && rng.below(2) === 0) said.bundle = pick(rng, bundles);
  else if ('identity' in said && own !== undefined && rng.below(2) === 0) said.identity = own;
  else said.time = new Date(Date.parse(said.time) + HOUR_MS).toISOString();
  return { ...signed, statement: JSON.stringify(said) };
};
const HOUR_MS = 3_600_000;

/** A chain of its own; a root after one of the fleet, or of a signer for whom a person may have signed; or a later root alone. */
const tellRoots = ({ rng, ask }: Omit<Speaker, 'heard'>): Promise<void> => {
  const other = pick(rng, OTHER_SIGNERS).root;
  const [first, second] = [FORGER.root, FALSE_SUCCESSOR.root];
  const chains = [[first], [PINNED_SIGNER.root, second], [second], [other], [other, second], [first, other]];
  return tellChain(ask, pick(rng, chains));
};

export const tellChain = async (ask: Ask, roots: readonly Uint8Array[]): Promise<void> => {
  await ask('tells roots of its own', incoming =>
    incoming.endpoint.agent.trustRootsPut({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: { chains: [roots.map(textOf)] },
    }),
  );
};

const textOf = (root: Uint8Array): string => Buffer.from(root).toString('utf8');
