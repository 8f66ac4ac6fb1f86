import { runProgram } from './program';

void runProgram(process.argv.slice(2), process.stdout, process.stderr).then((exitCode) => {
  process.exitCode = exitCode;
});
