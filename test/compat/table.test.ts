/** docs/compatibility.md has what it says that it has. */
import { access, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openApiDocuments } from '../../src/http/openapi.ts';
import contracts from './contracts.json' with { type: 'json' };

const root = resolve(import.meta.dirname, '../..');
const page = await readFile(join(root, 'docs/compatibility.md'), 'utf8');

/** The cells of the rows below a heading. */
const rowsOf = (heading: string): string[][] => {
  const section = page.split(/^## /m).find(text => text.startsWith(`${heading}\n`)) ?? '';
  return section
    .split('\n')
    .filter(line => line.startsWith('| ') && !/^\| (endpoint or behaviour|API) \|/.test(line))
    .map(line => line.slice(2, -2).split(' | '));
};

test('each published endpoint has its row, and no row has another one', () => {
  for (const { api, endpoints } of contracts) {
    const named = rowsOf(api).flatMap(([first = '']) => /^`([A-Z]+ \/[^`]*)`$/.exec(first)?.[1] ?? []);
    expect(named.sort(), api).toEqual(endpoints.map(({ endpoint }) => endpoint).sort());
  }
});

test('each row says all, and names tests that exist', async () => {
  for (const { api } of contracts)
    for (const row of rowsOf(api)) {
      const [first, , , tests = '', differences = ''] = row;
      expect(row, first).toHaveLength(5);
      expect(differences.length, first).toBeGreaterThan(0);
      const paths = tests.split(', ').map(text => /^`(.*\.test\.ts)`$/.exec(text)?.[1] ?? 'no test');
      for (const path of paths)
        await expect(access(join(root, path)), `${first}: ${path}`).resolves.toBeUndefined();
    }
});

test('the versions of the page are those of the contracts and of the servers', () => {
  const stated = rowsOf('Versions').map(([api, contract, known, named]) => ({
    ...{ api, contract, known: known?.split(', ') },
    isNamed: named?.startsWith('yes'),
  }));
  const actual = contracts.map(({ api, document }) => {
    const { version } = openApiDocuments[document]![0];
    return { api, contract: version.contract, known: [...version.known], isNamed: version.isNamed };
  });
  expect(stated).toEqual(actual);
  for (const { api, version, document } of contracts)
    expect(openApiDocuments[document]![0].version.contract, api).toBe(version);
});

test('our documents have each published endpoint, under its operation id and with its status', () => {
  for (const { api, document, endpoints } of contracts) {
    const routes = openApiDocuments[document]!.flatMap(each => Object.values(each.routes));
    const ours = routes.map(({ method, path, operationId, status }) => ({
      ...{ endpoint: `${method} ${path}`, operationId, status },
    }));
    for (const { endpoint, operationId, status } of endpoints)
      expect(ours, `${api}: ${endpoint}`).toContainEqual({ endpoint, operationId, status });
  }
});
