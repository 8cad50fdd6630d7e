/** nginx as the yardstick: one worker per core, sendfile, everything else as small as it goes; on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Credentials } from '../src/identity/credentials.ts';

const BINARIES = [
  '/usr/sbin/nginx',
  '/usr/local/sbin/nginx',
  '/usr/bin/nginx',
  '/usr/local/nginx/sbin/nginx',
];

export type Nginx = AsyncDisposable & { readonly url: string };

/**
 * Serves the files of a folder. Undefined, with a word on standard error, where there is no nginx.
 *
 * @param credentials for TLS 1.3, with the certificate of the caller required
 */
export const startNginx = async (folder: string, credentials?: Credentials): Promise<Nginx | undefined> => {
  const binary = await firstExisting(BINARIES);
  if (binary === undefined) {
    console.error('nginx is absent: no ratio against it (Debian: apt-get install nginx-light)');
    return undefined;
  }
  const own = await mkdtemp(join(tmpdir(), 'bench-nginx-'));
  const port = await freePort();
  const config = join(own, 'nginx.conf');
  if (credentials !== undefined) {
    await writeFile(join(own, 'certificate.pem'), credentials.certificatePem);
    await writeFile(join(own, 'key.pem'), credentials.keyPem);
    await writeFile(join(own, 'ca.pem'), credentials.authoritiesPem);
  }
  await writeFile(config, configuration({ own, folder, port, isTls: credentials !== undefined }));
  const child = spawn(binary, ['-c', config, '-p', own, '-e', join(own, 'error.log'), '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `${credentials === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  await answering(port, child);
  return {
    url,
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
      await rm(own, { recursive: true });
    },
  };
};

type Settings = {
  readonly own: string;
  readonly folder: string;
  readonly port: number;
  readonly isTls: boolean;
};

const tlsSettings = (own: string): string => `
  ssl_certificate ${own}/certificate.pem;
  ssl_certificate_key ${own}/key.pem;
  ssl_client_certificate ${own}/ca.pem;
  ssl_verify_client on;
  ssl_protocols TLSv1.3;
`;

const configuration = ({ own, folder, port, isTls }: Settings): string => `
${process.getuid?.() === 0 ? 'user root;' : ''}
pid ${own}/nginx.pid;
worker_processes auto;
events { worker_connections 64; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  client_body_temp_path ${own}/body;
  proxy_temp_path ${own}/proxy;
  fastcgi_temp_path ${own}/fastcgi;
  uwsgi_temp_path ${own}/uwsgi;
  scgi_temp_path ${own}/scgi;
  ${isTls ? tlsSettings(own) : ''}
  server { listen 127.0.0.1:${port}${isTls ? ' ssl' : ''}; root ${folder}; default_type application/octet-stream; }
}
`;

const firstExisting = async (paths: readonly string[]): Promise<string | undefined> => {
  for (const path of paths)
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  return undefined;
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
};

const answering = async (port: number, child: ChildProcess): Promise<void> => {
  for (let tries = 0; tries < 100; tries += 1) {
    if (child.exitCode !== null) throw new Error(`nginx ended with code ${child.exitCode}`);
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await delay(50);
  }
  throw new Error('nginx does not answer');
};
