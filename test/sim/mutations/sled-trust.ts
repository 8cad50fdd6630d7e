/** Mistakes of a sled about what it may store and serve (T3). */
import type { Mutation } from './mutation.ts';

export const TRUST_MUTATIONS: readonly Mutation[] = [
  {
    name: 'metadata-of-another-root-accepted',
    in: 'signatureProblem',
    find: "if (root === undefined) return problem ?? 'it has no signed metadata';",
    replace: 'if (root === undefined) return undefined;',
    also: [
      {
        in: 'judgeAdmission',
        find: "by === 'signature' ? verdict.signed : verdict.listed",
        replace: 'verdict.listed',
      },
    ],
    breaks: ['T3'],
    needs: ({ isHostile }) => isHostile,
    withinSeeds: 400,
    why: 'ADM1: a Nexus that signs metadata itself plants a byte',
  },
  {
    name: 'withheld-artifact-stored',
    in: 'requireAdmitted',
    find: 'if (reason !== undefined)',
    replace: "if (reason === '')",
    breaks: ['T3'],
    needs: ({ isHostile }) => isHostile,
    withinSeeds: 300,
    why: 'WR4: a Nexus that lies plants a byte',
  },
  {
    name: 'word-exempts-beside-a-key',
    in: 'exemption',
    find: "return isExempt && !hasAdminKey ? 'word' : undefined;",
    replace: "return isExempt ? 'word' : undefined;",
    breaks: ['T3'],
    needs: ({ isHostile }) => isHostile,
    withinSeeds: 400,
    why: 'ADM5: a Nexus that lies exempts what it plants',
  },
  {
    name: 'rotated-keys-vouch-for-new-releases',
    in: 'signatureProblem',
    find: "root.version >= version || record.get(bundle) === 'signature'",
    replace: 'root.version > 0',
    tests: 'release-admission.test.ts',
    why: 'ADM1: keys that were rotated away sign releases again',
  },
  {
    name: 'fork-of-a-chain-taken',
    in: 'extendChain',
    find: '  if (fork !== undefined)\n',
    replace: '  if (fork?.version === 0)\n',
    tests: 'trust.test.ts',
    why: 'PC2: whoever has old keys of a root gives a sled another chain',
  },
  {
    name: 'replaced-root-is-a-chain-of-its-own',
    in: 'extendChain',
    find: ' || isBefore(each, chain.roots[0])',
    replace: '',
    tests: 'trust.test.ts',
    why: 'PC3: keys that were rotated away before a sled joined sign releases again',
  },
  {
    name: 'admitted-while-a-newer-root-is-written',
    in: 'pin',
    find: '  pinning.coming = newestVersions(change.chains);\n',
    replace: '',
    tests: 'trust.test.ts',
    why: 'TRS6: a crash after the write loses the record of what was admitted during it',
  },
];
