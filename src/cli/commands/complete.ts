/**
 * What a shell may complete at the cursor, one word a line with what it means. The scripts of the shells are in `packaging`.
 *
 *     words ─▶ the command that they name ─▶ options, subcommands ─┐
 *                     └─▶ an awaited value ─▶ the fleet, in time ──┴─▶ lines
 *
 * CPL1. Nothing is said but words that fit: an error, a refusal or a fleet that does not answer in time is silence, and success.
 * CPL2. A value that is a path is left to the shell, which knows how to quote it: `:files` or `:directories`.
 */
import type { Command } from 'commander';
import { OPERATOR_ROLES } from '../../core/operator-role.ts';
import { type Cursor, type Offer, wordAtCursor } from '../arguments/word-at-cursor.ts';
import type { RemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { readLogins } from '../connection/logins.ts';
import { formatBytes } from '../output/quantities.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

/** A person waits with a finger on the key. */
const FLEET_TIMEOUT_MS = 1500;
/** More do not help a person. */
const MAX_OFFERS = 500;
const MAX_ABOUT_CHARS = 100;

const PATHS: Readonly<Record<string, ':files' | ':directories'>> = {
  file: ':files',
  files: ':files',
  archive: ':files',
  repository: ':files',
  path: ':files',
  root: ':files',
  directory: ':directories',
  dir: ':directories',
};

const words = (...all: readonly string[]): Offer[] => all.map(word => ({ word, about: '' }));

/** By the path of the command and the name of the value, the option, or the name alone; the first that is there counts. */
export const FIXED_VALUES: Readonly<Record<string, readonly Offer[]>> = {
  'sled set-policy policy': words('in-service', 'expunged'),
  'sled set-transport transport': words('plain', 'tls'),
  'repo wait goal': words('safe', 'complete'),
  'identity issue kind': words('nexus', 'sled'),
  'token create role': words(...OPERATOR_ROLES),
};

type FromFleet = (depot: Depot) => Promise<readonly Offer[]>;

const releases: FromFleet = async depot =>
  (await depot.allRepositories()).map(each => ({ word: each.system_version, about: each.file_name }));
const sleds: FromFleet = async depot =>
  (await depot.allSleds()).map(({ serial, id }) => ({ word: serial, about: id }));
const artifacts: FromFleet = async depot =>
  (await depot.allArtifacts()).map(({ sha256, size_bytes, releases: of }) => ({
    word: sha256,
    about: `${formatBytes(size_bytes)}, ${of.join(', ')}`,
  }));
const nexuses: FromFleet = async depot =>
  (await depot.fleet.nexusList()).items.map(each => ({ word: each.id, about: each.liveness }));
const trustRoots: FromFleet = async depot =>
  (await depot.allTrustRoots()).map(each => ({ word: each.id, about: each.time_created }));
const sources: FromFleet = async depot =>
  (await depot.sources.sourceList()).items.map(each => ({ word: each.name, about: each.metadata_url }));
const tasks: FromFleet = async depot =>
  Object.values(await depot.debug.bgtaskList()).map(each => ({ word: each.name, about: each.description }));

/** Keys as those of {@link FIXED_VALUES}. */
export const FLEET_VALUES: Readonly<Record<string, FromFleet>> = {
  version: releases,
  sled: sleds,
  nexus: nexuses,
  task: tasks,
  source: sources,
  'source show name': sources,
  'artifact show sha256': artifacts,
  'history sha256': artifacts,
  'nexus expunge id': nexuses,
  'trust-root show id': trustRoots,
  'trust-root export id': trustRoots,
  'trust-root delete id': trustRoots,
};

const inTable = <T>(table: Readonly<Record<string, T>>, { path, value }: Cursor): T | undefined =>
  value && (table[`${path} ${value.name}`] ?? table[value.name]);

/** The connection that the typed options name, as the command itself would use it. */
const remoteOptions = ({ given }: Cursor): RemoteOptions =>
  Object.fromEntries(
    (
      [
        ['url', 'url'],
        ['tokenFile', 'token-file'],
        ['caFile', 'ca-file'],
        ['fleet', 'fleet'],
        ['data', 'data'],
      ] as const
    ).flatMap(([key, option]) => (given.has(option) ? [[key, given.get(option)]] : [])),
  );

const offersFor = async (session: Session, cursor: Cursor): Promise<readonly Offer[]> => {
  const { offers, value } = cursor;
  if (value === undefined) return offers;
  if (value.option === '--fleet')
    return (await readLogins(session.environment)).map(({ name, url }) => ({ word: name, about: url }));
  const fixed = inTable(FIXED_VALUES, cursor);
  if (fixed !== undefined) return [...offers, ...fixed];
  const fromFleet = inTable(FLEET_VALUES, cursor);
  if (fromFleet === undefined) {
    const path = PATHS[value.name];
    return path === undefined ? offers : [...offers, { word: path, about: '' }];
  }
  const signal = AbortSignal.any([session.signal, session.clock.timeout(FLEET_TIMEOUT_MS)]);
  return [...offers, ...(await withDepot({ ...session, signal }, remoteOptions(cursor), fromFleet))];
};

/** A word with a space would have to be quoted in the way of each shell. */
const fits = (typed: string) => (offer: Offer) =>
  offer.word.startsWith(':') || (offer.word.startsWith(typed) && !/\s/.test(offer.word));

/** @param load the program, with the commands that these words may need */
export const addComplete = (
  parent: Command,
  session: Session,
  load: (words: readonly string[]) => Promise<Command>,
): void => {
  withCommonOptions(
    parent
      .command('complete', { hidden: true })
      .description('what a shell may complete at the last of these words')
      .argument('[words...]', 'the words after tuf-depot, as far as the cursor'),
    "tuf-depot complete -- repo show ''",
  ).action(async (typed: string[], options: CommonOptions) => {
    const offers = await (async () => {
      const cursor = wordAtCursor(await load(typed.slice(0, -1)), typed);
      return (await offersFor(session, cursor))
        .filter(fits(cursor.typed))
        .slice(0, MAX_OFFERS)
        .map(({ word, about }) => ({
          word: word.startsWith(':') ? word : `${cursor.before}${word}`,
          about: about.slice(0, MAX_ABOUT_CHARS),
        }));
    })().catch(() => []);
    if (offers.length === 0) return;
    present(session, options, offers, () => offers.map(({ word, about }) => `${word} ${about}`.trimEnd()));
  });
};
