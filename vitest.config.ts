import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'adapter/**/*.test.ts',
      'api/**/*.test.ts',
      'cli/**/*.test.ts',
      'db/**/*.test.ts',
      'functions/**/*.test.ts',
      'gpu-runner/**/*.test.ts',
      'infra/**/*.test.ts',
      'bench/**/*.test.ts',
      'infra/**/*.test.ts',
      'observe/**/*.test.ts',
      'test/**/*.test.ts',
      'web/**/*.test.ts',
    ],
    // Worker threads cannot be ended during a native inference call (the process would abort): use processes.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
