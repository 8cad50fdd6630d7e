import { describe, expect, test } from 'vitest';
import { definitionNamed, readSources, readTests, testsNamed } from './definitions.ts';
import { applyEdit, mutatedSources } from './mutated-sources.ts';
import type { Mutation } from './mutations/mutation.ts';

const shelf = `import { weigh } from './scales.ts';

/** How much a shelf holds. */
const LIMIT = 12;

export const put = async (
  thing: Thing,
): Promise<void> => {
  const LIMIT = 3;

  if (weigh(thing) > LIMIT) throw tooHeavy(thing);
};

const tooHeavy = (thing: Thing) =>
  new Error(thing.name);

export class Shelf {
  put = 1;
}
async function* things() {}
`;
const files = new Map([
  ['src/shelf.ts', shelf],
  ['src/rooms/floor.ts', 'export const fell = (): boolean => one || one;\nconst other = one;\n'],
]);

describe('a definition', () => {
  const textOf = (name: string) => definitionNamed(name, files).text.trimEnd();

  test('goes from its first line to where its indentation ends, in the file that has it', () => {
    expect(textOf('LIMIT')).toBe('const LIMIT = 12;');
    expect(textOf('put')).toMatch(/^export const put = async[\s\S]*tooHeavy\(thing\);\n};$/);
    expect(textOf('tooHeavy')).toBe('const tooHeavy = (thing: Thing) =>\n  new Error(thing.name);');
    expect(textOf('Shelf')).toBe('export class Shelf {\n  put = 1;\n}');
    expect(textOf('things')).toBe('async function* things() {}');
    const { path, before, text, after } = definitionNamed('put', files);
    expect([path, before + text + after]).toEqual(['src/shelf.ts', shelf]);
  });

  test('that is absent is an error; what is imported or a part of a longer name is none', () => {
    expect(() => textOf('weigh')).toThrow('there is no definition of weigh');
    expect(() => textOf('too')).toThrow('there is no definition of too');
  });

  test('that is there twice is an error that names the files', () => {
    const twice = new Map([...files, ['src/other.ts', 'function put() {}\n']]);
    expect(() => definitionNamed('put', twice)).toThrow(
      'there is more than one definition of put: src/shelf.ts, src/other.ts',
    );
  });
});

describe('an edit', () => {
  const edit = { in: 'fell', find: 'other', replace: 'two' };

  test('changes its definition alone, although the text is elsewhere in the file too', () => {
    const { path, text } = applyEdit({ ...edit, in: 'other', find: 'one' }, files);
    expect([path, text]).toEqual([
      'src/rooms/floor.ts',
      'export const fell = (): boolean => one || one;\nconst other = two;\n',
    ]);
  });

  test('whose text is not there, or is there twice, is an error and not a mutation that changes nothing', () => {
    expect(() => applyEdit(edit, files)).toThrow('fell in src/rooms/floor.ts has 0 times');
    expect(() => applyEdit({ ...edit, find: 'one' }, files)).toThrow(
      'fell in src/rooms/floor.ts has 2 times what a mutation replaces: one',
    );
  });

  test('that follows another one keeps what that one changed', () => {
    const mutation: Mutation = {
      name: 'heavy-things',
      in: 'put',
      find: '> LIMIT',
      replace: '> 0',
      also: [{ in: 'tooHeavy', find: 'thing.name', replace: "''" }],
      tests: 'shelf.test.ts',
      why: 'nothing',
    };
    const mutated = mutatedSources(mutation, files);
    expect([...mutated.keys()]).toEqual(['src/shelf.ts']);
    expect(mutated.get('src/shelf.ts')).toBe(shelf.replace('> LIMIT', '> 0').replace('thing.name', "''"));
  });
});

describe('tests', () => {
  const suites = new Map([
    ['src/shelf.test.ts', "test('a shelf holds', () => {});\ntest('a shelf is heavy (S1)', () => {});\n"],
    ['src/rooms/floor.test.ts', "  test('a floor holds', () => {});\n  expect('a heavy floor');\n"],
    ['src/rooms/shelf.test.ts', ''],
  ]);

  test('are found by the base name of their file, or by a part of one title', () => {
    expect(testsNamed('floor.test.ts', suites)).toEqual({ path: 'src/rooms/floor.test.ts' });
    expect(testsNamed('is heavy', suites)).toEqual({ path: 'src/shelf.test.ts', title: 'is heavy' });
  });

  test('that are absent or there twice are an error', () => {
    expect(() => testsNamed('roof.test.ts', suites)).toThrow('there is no file roof.test.ts');
    expect(() => testsNamed('shelf.test.ts', suites)).toThrow('src/shelf.test.ts, src/rooms/shelf.test.ts');
    expect(() => testsNamed('a heavy floor', suites)).toThrow('there is no test "a heavy floor"');
    expect(() => testsNamed('holds', suites)).toThrow('src/shelf.test.ts, src/rooms/floor.test.ts');
  });
});

test('the sources are the product without its tests and fixtures', () => {
  const paths = [...readSources().keys()];
  expect(paths.length).toBeGreaterThan(300);
  expect(paths.filter(path => /\.(test|fixture)\.ts$|\/test-[\w-]+\.ts$/.test(path))).toEqual([]);
  expect([...readTests().keys()].filter(path => !path.endsWith('.test.ts'))).toEqual([]);
});
