/** The process of a sled agent: configuration, log, start, and a clean end when the signal aborts. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { seededRng } from '../core/rng.ts';
import { systemClock } from '../lib/clock.ts';
import { unlinkDurably, writeFileDurably } from '../lib/durable-file.ts';
import { checkConfigAtHangUp, noHangUp, type OnHangUp } from '../lib/hang-up.ts';
import { createLogger, type Logger } from '../lib/log.ts';
import { startSledAgent } from './app.ts';
import { readSledAgentConfig, type SledAgentConfig } from './config.ts';

/** The content of the file that `ready_file` names, as JSON. */
export type SledAgentReady = {
  readonly pid: number;
  readonly sled_id: string;
  readonly agent_address: string;
  readonly depot_address: string;
  readonly depot_plain_address?: string;
};

/** Resolves when the signal has aborted and everything has ended. @throws `CONFIG_INVALID`, and as `startSledAgent` */
export const runSledAgent = async ({
  configPath,
  signal,
  onHangUp = noHangUp,
}: {
  configPath: string;
  signal: AbortSignal;
  onHangUp?: OnHangUp;
}): Promise<void> => {
  const config = await readSledAgentConfig(configPath);
  const log = createLogger({ name: 'sled-agent', level: config.logLevel }).child({ sled_id: config.sledId });
  reportTransport(config, log);
  using _ = await checkConfigAtHangUp(onHangUp, {
    ...{ configPath, log },
    check: () => readSledAgentConfig(configPath),
  });
  const rng = seededRng(randomBytes(4).readUInt32LE());
  const { readyFile } = config;
  // The file of a killed process must not be mistaken for this one's.
  if (readyFile !== undefined) await unlinkDurably(readyFile);
  {
    await using agent = await startSledAgent(config, { clock: systemClock, rng, log });
    const ready: SledAgentReady = {
      pid: process.pid,
      sled_id: config.sledId,
      agent_address: agent.agentAddress,
      depot_address: agent.depotAddress,
      ...(agent.plainDepotAddress !== undefined && { depot_plain_address: agent.plainDepotAddress }),
    };
    const { pid: _, sled_id: __, ...addresses } = ready;
    log.info(addresses, 'sled agent listens');
    if (readyFile !== undefined) await writeFileDurably(readyFile, `${JSON.stringify(ready)}\n`);
    if (!signal.aborted) await once(signal, 'abort');
    log.info('sled agent stops');
  }
  if (readyFile !== undefined) await unlinkDurably(readyFile);
  log.info('sled agent stopped');
};

const reportTransport = ({ identity, leftovers }: SledAgentConfig, log: Logger): void => {
  for (const key of leftovers) log.warn({ key }, 'this key has no effect; remove it from the file');
  if (identity === undefined)
    log.warn(
      'transport is "plain": this sled has no identity, serves every process that reaches its addresses, and believes whatever answers at those of its Nexuses. Let it join: tuf-depot sled-agent join',
    );
};
