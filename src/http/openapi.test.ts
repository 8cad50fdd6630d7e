import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { debugApi } from '../api/debug-api.ts';
import { internalApi } from '../api/internal-api.ts';
import type { Audience } from '../api/route.ts';
import { sledAgentApi } from '../api/sled-agent-api.ts';
import { DOCUMENTS_OF } from './any-request.fixture.ts';
import { openApiDocument, openApiDocuments } from './openapi.ts';

const directory = join(import.meta.dirname, '../../openapi');

test('openapi/ has the contracts, as npm run openapi writes them (S1, S2)', async () => {
  expect((await readdir(directory)).sort()).toEqual(Object.keys(openApiDocuments).sort());
  for (const [name, apis] of Object.entries(openApiDocuments))
    expect(JSON.parse(await readFile(join(directory, name), 'utf8')), name).toEqual(openApiDocument(apis));
});

test('requests of any kind are tried at each document', () => {
  expect(Object.values(DOCUMENTS_OF).flat().sort()).toEqual(Object.keys(openApiDocuments).sort());
});

const endpoints = (document: Record<string, unknown>): string[] =>
  Object.entries(
    document.paths as Record<string, Record<string, { operationId: string; responses: object }>>,
  ).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(
      ([verb, { operationId, responses }]) => `${verb} ${path} ${operationId} ${Object.keys(responses)[0]}`,
    ),
  );

test('the published operator endpoints are all there, with their success codes (S1)', () => {
  expect(endpoints(openApiDocument(openApiDocuments['operator.json']!))).toEqual(
    expect.arrayContaining([
      'put /v1/system/update/recovery-finish system_update_recovery_finish 204',
      'get /v1/system/update/repositories system_update_repository_list 200',
      'put /v1/system/update/repositories system_update_repository_upload 200',
      'get /v1/system/update/repositories/{system_version} system_update_repository_view 200',
      'get /v1/system/update/status system_update_status 200',
      'put /v1/system/update/target-release target_release_update 204',
      'get /v1/system/update/trust-roots system_update_trust_root_list 200',
      'post /v1/system/update/trust-roots system_update_trust_root_create 201',
      'get /v1/system/update/trust-roots/{trust_root_id} system_update_trust_root_view 200',
      'delete /v1/system/update/trust-roots/{trust_root_id} system_update_trust_root_delete 204',
    ]),
  );
});

test('the published endpoints of sleds, depots, registration and tasks are all there (S2)', () => {
  expect(endpoints(openApiDocument([sledAgentApi]))).toEqual([
    'get /artifacts artifact_list 200',
    'get /artifacts-config artifact_config_get 200',
    'put /artifacts-config artifact_config_put 204',
    'put /artifacts/{sha256} artifact_put 200',
    'get /artifacts/{sha256}/copy artifact_copy_outcome 200',
    'post /artifacts/{sha256}/copy-from-depot artifact_copy_from_depot 202',
    'get /artifacts/{sha256}/leases artifact_lease_list 200',
    'put /artifacts/{sha256}/leases/{id} artifact_lease_put 200',
    'delete /artifacts/{sha256}/leases/{id} artifact_lease_delete 204',
    'put /artifacts/{sha256}/prefixes artifact_prefixes_put 204',
    'get /audit-heads audit_heads_get 200',
    'put /audit-heads audit_heads_put 204',
    'put /release-metadata/{sha256} release_metadata_put 204',
    'put /revoked-identities revoked_identities_put 204',
    'get /statements statements_get 200',
    'put /statements statements_put 200',
    'get /trust-roots trust_roots_get 200',
    'put /trust-roots trust_roots_put 204',
  ]);
  expect(endpoints(openApiDocument(openApiDocuments['repo-depot.json']!))).toEqual([
    'get /arriving/sha256/{sha256} arriving_get_by_sha256 200',
    'head /arriving/sha256/{sha256} arriving_head_by_sha256 200',
    'get /artifact/sha256/{sha256} artifact_get_by_sha256 200',
    'head /artifact/sha256/{sha256} artifact_head_by_sha256 200',
  ]);
  expect(endpoints(openApiDocument([internalApi]))).toEqual([
    'get /sled-agents/{sled_id} sled_agent_get 200',
    'post /sled-agents/{sled_id} sled_agent_put 204',
  ]);
  expect(endpoints(openApiDocument([debugApi]))).toEqual([
    'get /bgtasks bgtask_list 200',
    'post /bgtasks/activate bgtask_activate 204',
    'get /bgtasks/view/{bgtask_name} bgtask_view 200',
    'get /deployment/update-status update_status 200',
  ]);
});

/** By document, whom its routes are for; each document is served by one server, but for the debug API beside operator's. */
const audiences: Record<string, readonly Audience[]> = {
  'operator.json': ['operator', 'public'],
  'debug.json': ['operator'],
  'internal.json': ['member', 'public', 'sled'],
  'sled-agent.json': ['nexus', 'self'],
  'repo-depot.json': ['member', 'sled'],
};

test('every route is for an audience that its server has, and the public changes nothing but by an invitation', () => {
  for (const [name, apis] of Object.entries(openApiDocuments)) {
    const routes = apis.flatMap(api => Object.values(api.routes));
    expect([...new Set(routes.map(({ audience }) => audience))].sort(), name).toEqual(audiences[name]);
    for (const { audience, method, operationId } of routes)
      if (audience === 'public' && !['sled_join', 'nexus_join'].includes(operationId))
        expect(method, operationId).toBe('GET');
  }
});

type Shape = Readonly<Record<string, unknown>>;
const shapesIn = (value: unknown): Shape[] =>
  typeof value !== 'object' || value === null
    ? []
    : [...(Array.isArray(value) ? [] : [value as Shape]), ...Object.values(value).flatMap(shapesIn)];

test('every number has a format, so that no generated client takes less of it, and generations are those of the published API', () => {
  const documents = Object.values(openApiDocuments).map(openApiDocument);
  for (const shape of documents.flatMap(shapesIn)) {
    if (shape.type === 'integer')
      expect(['uint16', 'uint32', 'uint64', 'int64'], JSON.stringify(shape)).toContain(shape.format);
    if (shape.type === 'number') expect(shape.format, JSON.stringify(shape)).toBe('double');
  }
  const named = shapesIn(openApiDocument([sledAgentApi])).filter(({ name }) => name === 'generation');
  expect(named.map(({ schema }) => schema)).toEqual([
    { type: 'integer', format: 'uint64', minimum: 0 },
    { type: 'integer', format: 'uint64', minimum: 0 },
  ]);
});

test('documents say what needs a token, and that a depot serves ranges', () => {
  const operator = openApiDocument(openApiDocuments['operator.json']!) as {
    paths: Record<string, Record<string, { operationId: string; security?: unknown }>>;
    components: { securitySchemes: object };
  };
  expect(operator.components.securitySchemes).toEqual({ operator_token: { type: 'http', scheme: 'bearer' } });
  const open = Object.values(operator.paths)
    .flatMap(verbs => Object.values(verbs))
    .filter(({ security }) => security === undefined);
  expect(open.map(({ operationId }) => operationId)).toEqual(['ping']);
  const depot = openApiDocument(openApiDocuments['repo-depot.json']!) as {
    paths: Record<string, Record<string, { responses: object }>>;
  };
  const verbs = Object.values(Object.values(depot.paths)[0]!);
  for (const { responses } of verbs)
    expect(Object.keys(responses)).toEqual(['200', '206', '416', '4XX', '5XX']);
});

test('a document is self-contained: every reference resolves', () => {
  for (const apis of Object.values(openApiDocuments)) {
    const document = openApiDocument(apis);
    const { components } = document as { components: Record<string, Record<string, unknown>> };
    const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/([^"]+)"/g);
    for (const [text, section, id] of references) expect(components[section!]?.[id!], text).toBeDefined();
    expect(JSON.stringify(document)).not.toContain('#/definitions');
  }
});
