// Becomes an app's dist/main.js: runs the bundle beside it, with the code that V8 compiled at an earlier start. Compiling takes a good
// part of a start. Node 22 and later do this themselves; the rest of this file is for Node 20, and goes with it.
const fs = require('node:fs');
const Module = require('node:module');
const path = require('node:path');
const vm = require('node:vm');

const bundle = path.join(__dirname, 'bundle.js');
const cacheFolder = path.join(__dirname, 'compiled');
/** Long enough for all that a start needs to have been compiled. */
const KEEP_AFTER_MS = 3_000;

if (Module.enableCompileCache) {
  Module.enableCompileCache(cacheFolder);
  require(bundle);
} else {
  // V8 itself compares its version and the length of the source, not the source.
  const { size, mtimeMs } = fs.statSync(bundle);
  const cacheFile = path.join(cacheFolder, `${process.version}-${process.arch}-${size}-${mtimeMs}`);
  const cachedData = readIfThere(cacheFile);
  const script = new vm.Script(Module.wrap(fs.readFileSync(bundle, 'latin1')), {
    filename: bundle,
    cachedData,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  if (cachedData === undefined || script.cachedDataRejected) setTimeout(() => keep(script, cacheFile), KEEP_AFTER_MS).unref();
  script.runInThisContext()(exports, Module.createRequire(bundle), module, bundle, __dirname);
}

function readIfThere(file) {
  try {
    return fs.readFileSync(file);
  } catch {
    return undefined;
  }
}

/** Where the folder cannot be written to, every start compiles. */
function keep(script, file) {
  const draft = `${file}.${process.pid}`;
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(draft, script.createCachedData());
    fs.renameSync(draft, file);
  } catch {}
}
