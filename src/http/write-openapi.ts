/** Writes `openapi/*.json` from the contracts: run it after a change of one, and review the diff. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openApiDocument, openApiDocuments } from './openapi.ts';

const directory = join(import.meta.dirname, '../../openapi');
await mkdir(directory, { recursive: true });
for (const [name, apis] of Object.entries(openApiDocuments))
  await writeFile(join(directory, name), `${JSON.stringify(openApiDocument(apis), undefined, 2)}\n`);
