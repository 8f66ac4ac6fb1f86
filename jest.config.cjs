/** One run for the whole repository: the suffix of a test file says its kind (see CONTRIBUTING.md). */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/packages', '<rootDir>/apps'],
  testMatch: ['**/test/**/*.{test,property,integration,chaos,e2e}.ts'],
  modulePathIgnorePatterns: ['/dist/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: { parser: { syntax: 'typescript' }, target: 'es2023' },
        // Packages are loaded when they are first used: every file of tests loads anew what it needs, and most need little of it.
        module: { type: 'commonjs', ignoreDynamic: true, lazy: true },
      },
    ],
  },
  moduleNameMapper: {
    '^@syncline/(events|lanes|senders|catalog|notices|refresh|runtime|testkit)$': '<rootDir>/packages/$1/src/index.ts',
  },
  // A test runs in a context of its own, where each look at a global takes long: as parameters of every module these are at hand.
  sandboxInjectedGlobals: [
    'Array',
    'BigInt',
    'Boolean',
    'Date',
    'Error',
    'JSON',
    'Map',
    'Math',
    'Number',
    'Object',
    'Promise',
    'Reflect',
    'RegExp',
    'Set',
    'String',
    'Symbol',
    'TypeError',
    'Uint8Array',
    'WeakMap',
    'WeakSet',
  ],
  testSequencer: '<rootDir>/scripts/test-sequencer.cjs',
  maxWorkers: 2,
  // Only guards against hanging, as the limit of waitFor does: a machine under load must not reach it.
  testTimeout: 240_000,
};
