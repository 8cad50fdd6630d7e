/** nginx as the yardstick: one worker per core, sendfile, everything else as small as it goes; on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const BINARIES = [
  '/usr/sbin/nginx',
  '/usr/local/sbin/nginx',
  '/usr/bin/nginx',
  '/usr/local/nginx/sbin/nginx',
];

export type Nginx = AsyncDisposable & { readonly url: string };

/** Serves the files of a folder. Undefined, with a word on standard error, where there is no nginx. */
export const startNginx = async (folder: string): Promise<Nginx | undefined> => {
  const binary = await firstExisting(BINARIES);
  if (binary === undefined) {
    console.error('nginx is absent: no ratio against it (Debian: apt-get install nginx-light)');
    return undefined;
  }
  const own = await mkdtemp(join(tmpdir(), 'bench-nginx-'));
  const port = await freePort();
  const config = join(own, 'nginx.conf');
  await writeFile(config, configuration({ own, folder, port }));
  const child = spawn(binary, ['-c', config, '-p', own, '-e', join(own, 'error.log'), '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const url = `http://127.0.0.1:${port}`;
  await answering(url, child);
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

const configuration = ({ own, folder, port }: { own: string; folder: string; port: number }): string => `
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
  server { listen 127.0.0.1:${port}; root ${folder}; default_type application/octet-stream; }
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

const answering = async (url: string, child: ChildProcess): Promise<void> => {
  for (let tries = 0; tries < 100; tries += 1) {
    if (child.exitCode !== null) throw new Error(`nginx ended with code ${child.exitCode}`);
    const answer = await fetch(url).catch(() => undefined);
    if (answer !== undefined) return;
    await delay(50);
  }
  throw new Error('nginx does not answer');
};
