/** The process of a Nexus: configuration, log, start, and a clean end when the signal aborts. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { unlinkDurably, writeFileDurably } from '../../lib/durable-file.ts';
import { checkConfigAtHangUp, noHangUp, type OnHangUp } from '../../lib/hang-up.ts';
import { createLogger } from '../../lib/log.ts';
import { createNexus, type Nexus } from './app.ts';
import { readNexusConfig } from './config.ts';

/** The content of the file that `ready_file` names, as JSON. */
export type NexusReady = {
  readonly pid: number;
  readonly nexus_id: string;
  readonly operator_address: string;
  readonly internal_address: string;
  readonly plain_address?: string;
};

/**
 * Resolves when the signal has aborted and everything has ended.
 *
 * @throws `CONFIG_INVALID`, `SCHEMA_VERSION`, and as `createNexus`
 */
export const runNexus = async ({
  configPath,
  signal,
  onHangUp = noHangUp,
}: {
  configPath: string;
  signal: AbortSignal;
  onHangUp?: OnHangUp;
}): Promise<void> => {
  const config = await readNexusConfig(configPath);
  const log = createLogger({ name: 'nexus', level: config.logLevel });
  using _ = await checkConfigAtHangUp(onHangUp, {
    ...{ configPath, log },
    check: () => readNexusConfig(configPath),
  });
  const rng = seededRng(randomBytes(4).readUInt32LE());
  const { readyFile } = config;
  // The file of a killed process must not be mistaken for this one's.
  if (readyFile !== undefined) await unlinkDurably(readyFile);
  {
    await using nexus = await createNexus(config, { clock: systemClock, rng, log });
    log.info(addresses(nexus), 'nexus listens');
    const stopped = signal.aborted ? Promise.resolve() : once(signal, 'abort');
    const started = await Promise.race([nexus.started.then(() => true), stopped.then(() => false)]);
    if (started) {
      if (readyFile !== undefined) await writeFileDurably(readyFile, `${JSON.stringify(addresses(nexus))}\n`);
      log.info({ nexus_id: nexus.id }, 'nexus serves');
      await stopped;
    }
    log.info('nexus stops');
  }
  if (readyFile !== undefined) await unlinkDurably(readyFile);
  log.info('nexus stopped');
};

const addresses = (nexus: Nexus): NexusReady => ({
  pid: process.pid,
  nexus_id: nexus.id,
  operator_address: nexus.operatorAddress,
  internal_address: nexus.internalAddress,
  ...(nexus.plainAddress !== undefined && { plain_address: nexus.plainAddress }),
});
