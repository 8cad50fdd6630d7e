/** Every command by its name, and the file that adds it: only what a command line names is loaded. */
import type { Command } from 'commander';
import type { Session } from './session/session.ts';

type AddCommand = (parent: Command, session: Session) => void;

type LoadCommand = () => Promise<AddCommand>;

/** By the word of each, in the order of the help. */
type Commands = Readonly<Record<string, LoadCommand>>;

export type Group = {
  readonly name: string;
  readonly description: string;
  /** What the group does by itself. */
  readonly run?: LoadCommand;
  readonly commands: Commands;
};

export const GROUPS: readonly Group[] = [
  {
    name: 'repo',
    description: 'releases: assemble, edit, sign, verify, upload, follow, delete',
    commands: {
      assemble: async () => (await import('./commands/repo-assemble.ts')).addRepoAssemble,
      edit: async () => (await import('./commands/repo-edit.ts')).addRepoEdit,
      sign: async () => (await import('./commands/repo-sign.ts')).addRepoSign,
      verify: async () => (await import('./commands/repo-verify.ts')).addRepoVerify,
      upload: async () => (await import('./commands/repo-upload.ts')).addRepoUpload,
      sync: async () => (await import('./commands/repo-sync.ts')).addRepoSync,
      list: async () => (await import('./commands/repo-list.ts')).addRepoList,
      show: async () => (await import('./commands/repo-show.ts')).addRepoShow,
      wait: async () => (await import('./commands/repo-wait.ts')).addRepoWait,
      exempt: async () => (await import('./commands/repo-exempt.ts')).addRepoExempt,
      delete: async () => (await import('./commands/repo-delete.ts')).addRepoDelete,
    },
  },
  {
    name: 'trust-root',
    description: 'the roots that may sign releases',
    commands: {
      add: async () => (await import('./commands/trust-root-add.ts')).addTrustRootAdd,
      list: async () => (await import('./commands/trust-root-list.ts')).addTrustRootList,
      show: async () => (await import('./commands/trust-root-show.ts')).addTrustRootShow,
      export: async () => (await import('./commands/trust-root-export.ts')).addTrustRootExport,
      delete: async () => (await import('./commands/trust-root-delete.ts')).addTrustRootDelete,
    },
  },
  {
    name: 'source',
    description: 'upstream repositories that Nexus follows',
    commands: {
      list: async () => (await import('./commands/source-list.ts')).addSourceList,
      show: async () => (await import('./commands/source-show.ts')).addSourceShow,
    },
  },
  {
    name: 'sled',
    description: 'the machines of the fleet',
    commands: {
      list: async () => (await import('./commands/sled-list.ts')).addSledList,
      show: async () => (await import('./commands/sled-show.ts')).addSledShow,
      validate: async () => (await import('./commands/sled-validate.ts')).addSledValidate,
      invite: async () => (await import('./commands/sled-invite.ts')).addSledInvite,
      approve: async () => (await import('./commands/sled-invite.ts')).addSledApprove,
      deny: async () => (await import('./commands/sled-deny.ts')).addSledDeny,
      invitations: async () => (await import('./commands/sled-invitations.ts')).addSledInvitations,
      uninvite: async () => (await import('./commands/sled-uninvite.ts')).addSledUninvite,
      'set-policy': async () => (await import('./commands/sled-set-policy.ts')).addSledSetPolicy,
      'set-transport': async () => (await import('./commands/sled-set-transport.ts')).addSledSetTransport,
      forget: async () => (await import('./commands/sled-forget.ts')).addSledForget,
    },
  },
  {
    name: 'artifact',
    description: 'the files of the present releases',
    commands: {
      list: async () => (await import('./commands/artifact-list.ts')).addArtifactList,
      show: async () => (await import('./commands/artifact-show.ts')).addArtifactShow,
    },
  },
  {
    name: 'target-release',
    description: 'the release that the fleet should run',
    commands: {
      show: async () => (await import('./commands/target-release-show.ts')).addTargetReleaseShow,
      set: async () => (await import('./commands/target-release-set.ts')).addTargetReleaseSet,
    },
  },
  {
    name: 'task',
    description: 'background tasks of a Nexus',
    commands: {
      list: async () => (await import('./commands/task-list.ts')).addTaskList,
      show: async () => (await import('./commands/task-show.ts')).addTaskShow,
      activate: async () => (await import('./commands/task-activate.ts')).addTaskActivate,
    },
  },
  {
    name: 'nexus',
    description: 'run one Nexus (--config), let it join, or manage the instances',
    run: async () => (await import('./commands/nexus-run.ts')).makeNexusRunnable,
    commands: {
      list: async () => (await import('./commands/nexus-list.ts')).addNexusList,
      invite: async () => (await import('./commands/nexus-invite.ts')).addNexusInvite,
      invitations: async () => (await import('./commands/nexus-invitations.ts')).addNexusInvitations,
      uninvite: async () => (await import('./commands/nexus-uninvite.ts')).addNexusUninvite,
      join: async () => (await import('./commands/nexus-join.ts')).addNexusJoin,
      expunge: async () => (await import('./commands/nexus-expunge.ts')).addNexusExpunge,
    },
  },
  {
    name: 'sled-agent',
    description: 'run the agent of one sled (--config), let it join, reset it, or allow its deletions',
    run: async () => (await import('./commands/sled-agent-run.ts')).makeSledAgentRunnable,
    commands: {
      join: async () => (await import('./commands/sled-agent-join.ts')).addSledAgentJoin,
      reset: async () => (await import('./commands/sled-agent-reset.ts')).addSledAgentReset,
      'allow-deletion': async () =>
        (await import('./commands/sled-agent-allow-deletion.ts')).addSledAgentAllowDeletion,
    },
  },
  {
    name: 'identity',
    description: 'certificates of the processes of a fleet',
    commands: {
      init: async () => (await import('./commands/identity-init.ts')).addIdentityInit,
      issue: async () => (await import('./commands/identity-issue.ts')).addIdentityIssue,
      show: async () => (await import('./commands/identity-show.ts')).addIdentityShow,
    },
  },
  {
    name: 'db',
    description: 'the database of Nexus',
    commands: {
      migrate: async () => (await import('./commands/db-migrate.ts')).addDbMigrate,
    },
  },
  {
    name: 'token',
    description: 'the tokens of operators, and their roles',
    commands: {
      create: async () => (await import('./commands/token-create.ts')).addTokenCreate,
      list: async () => (await import('./commands/token-list.ts')).addTokenList,
      revoke: async () => (await import('./commands/token-revoke.ts')).addTokenRevoke,
    },
  },
  {
    name: 'audit',
    description: 'changes by persons, in a chain of hashes',
    commands: {
      list: async () => (await import('./commands/audit-list.ts')).addAuditList,
      verify: async () => (await import('./commands/audit-verify.ts')).addAuditVerify,
    },
  },
  {
    name: 'deletions',
    description: 'large deletions, which a person allows',
    commands: {
      allow: async () => (await import('./commands/deletions-allow.ts')).addDeletionsAllow,
    },
  },
  {
    name: 'statement',
    description: 'decisions that the admin key of the fleet signs',
    commands: {
      list: async () => (await import('./commands/statement-list.ts')).addStatementList,
      sign: async () => (await import('./commands/statement-sign.ts')).addStatementSign,
    },
  },
  {
    name: 'recover',
    description: 'recoveries, when sleds hold configs that the database does not know',
    commands: {
      generation: async () => (await import('./commands/recover-generation.ts')).addRecoverGeneration,
    },
  },
];

export const SINGLE_COMMANDS: Commands = {
  login: async () => (await import('./commands/login.ts')).addLogin,
  logout: async () => (await import('./commands/logout.ts')).addLogout,
  status: async () => (await import('./commands/status.ts')).addStatus,
  history: async () => (await import('./commands/history.ts')).addHistory,
  start: async () => (await import('./commands/start.ts')).addStart,
  demo: async () => (await import('./commands/demo.ts')).addDemo,
  'repo-depot-standalone': async () =>
    (await import('./commands/repo-depot-standalone.ts')).addRepoDepotStandalone,
  tuf: async () => (await import('./commands/tuf.ts')).addTuf,
};
