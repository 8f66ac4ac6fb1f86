/** One run for the whole repository: the suffix of a test file says its kind (see CONTRIBUTING.md). */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/packages', '<rootDir>/apps'],
  testMatch: ['**/test/**/*.{test,property,integration,chaos,e2e}.ts'],
  modulePathIgnorePatterns: ['/dist/'],
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2023' }, module: { type: 'commonjs', ignoreDynamic: true } },
    ],
  },
  moduleNameMapper: {
    '^@syncline/(events|lanes|senders|catalog|notices|refresh|runtime|testkit)$': '<rootDir>/packages/$1/src/index.ts',
  },
  maxWorkers: 2,
  testTimeout: 60_000,
};
