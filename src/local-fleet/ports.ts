/** The ports of a local fleet's last run, so that addresses stay the same from one start to the next. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { z } from 'zod';
import { writeFileDurably } from '../lib/durable-file.ts';

/** By process name: its two addresses, `127.0.0.1:port`. */
const Ports = z.record(z.string(), z.tuple([z.string(), z.string()]));
export type RememberedPorts = z.infer<typeof Ports>;

/** An unreadable file is ignored: the fleet only gets other ports. */
export const readPorts = async (path: string): Promise<RememberedPorts> => {
  try {
    return Ports.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    return {};
  }
};

export const writePorts = (path: string, ports: RememberedPorts): Promise<void> =>
  writeFileDurably(path, `${JSON.stringify(ports, undefined, 2)}\n`);

const ANY_PORT = '127.0.0.1:0';

/** The wanted address if it is free, otherwise any port. */
export const freeAddress = async (wanted: string | undefined): Promise<string> => {
  const port = Number(wanted?.match(/^127\.0\.0\.1:(\d{1,5})$/)?.[1] ?? 0);
  if (port === 0 || wanted === undefined) return ANY_PORT;
  return (await canListen(port)) ? wanted : ANY_PORT;
};

const canListen = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port }, () => server.close(() => resolve(true)));
  });
