import { expect, test } from 'vitest';
import { silentLogger } from '../../lib/log.ts';
import { createReplicationTrigger } from './trigger.ts';

test('a lost signal is an error in the status until one arrives again, and is never thrown (S15)', () => {
  const trigger = createReplicationTrigger({ log: silentLogger });
  trigger.activate();
  expect(trigger.notices()).toEqual([]);

  let broken = true;
  const activated: string[] = [];
  trigger.connect({
    activate(name) {
      if (broken) throw new Error('there is no such task');
      activated.push(name);
    },
  });
  trigger.activate();
  expect(trigger.notices()).toEqual([
    { code: 'REPLICATION_ERROR', because: 'signal_lost', error: 'there is no such task' },
  ]);
  broken = false;
  trigger.activate();
  expect(activated).toEqual(['tuf_artifact_replication']);
  expect(trigger.notices()).toEqual([]);
});
