import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { systemError } from '../../lib/disk.fixture.ts';
import { watchOutput } from './watch-output.ts';

const watched = () => {
  const written: string[] = [];
  const stream = () => Object.assign(new EventEmitter(), { write: (text: string) => written.push(text) });
  const [out, err] = [stream(), stream()];
  let failed = 0;
  const output = watchOutput(out, err, () => {
    failed += 1;
  });
  return { out, err, written, output, failures: () => failed };
};

test('output that a full disk does not take is one line, and a failure (WOP2)', () => {
  const { out, written, output, failures } = watched();
  for (let n = 0; n < 3; n += 1) out.emit('error', systemError('ENOSPC'));
  expect(written).toEqual([
    expect.stringMatching(/^error: cannot write standard output: ENOSPC.* \[NO_SPACE\]\n$/),
  ]);
  expect([output.isLost(), failures()]).toEqual([true, 1]);
});

test('a reader that is gone, and progress that is lost, are no failure (WOP1)', () => {
  const { out, err, written, output, failures } = watched();
  out.emit('error', systemError('EPIPE'));
  err.emit('error', systemError('ENOSPC'));
  expect([written, output.isLost(), failures()]).toEqual([[], false, 0]);
});

const main = new URL('../main.ts', import.meta.url).pathname;
const shell = (command: string): Promise<{ code: number; err: string }> =>
  new Promise(resolve => {
    const environment = { ...process.env, NODE: process.execPath, MAIN: main };
    execFile('bash', ['-c', command], { env: environment }, (error, _, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), err }),
    );
  });

test('a command whose output goes to a full disk says so in one line and exits with 1', async () => {
  expect(await shell('"$NODE" "$MAIN" --help > /dev/full')).toEqual({
    code: 1,
    err: expect.stringMatching(/^error: cannot write standard output: ENOSPC.*\[NO_SPACE\]\n$/),
  });
  expect((await shell('"$NODE" "$MAIN" nonsense 2> /dev/full')).code).toBe(2);
  expect(await shell('set -o pipefail; "$NODE" "$MAIN" --help | head -n 1')).toEqual({ code: 0, err: '' });
});
