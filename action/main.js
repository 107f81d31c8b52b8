// Starts the binary, which does everything else.
const { spawn } = require('node:child_process');
const { existsSync, readdirSync } = require('node:fs');
const { join } = require('node:path');

const missing = (target) => {
  const bin = join(__dirname, 'bin');
  return existsSync(bin)
    ? `This release of the action runs on ${readdirSync(bin).join(', ')}, and this runner is ${target}: whoever released it left that out.`
    : `This version of the action has no binary for ${target}: use a release tag, or run "cargo build" first.`;
};

exports.run = (command) => {
  const exe = process.platform === 'win32' ? '.exe' : '';
  const target = `${process.platform}-${process.arch}`;
  // Windows on arm64 runs programs for x64 too.
  const targets = target === 'win32-arm64' ? [target, 'win32-x64'] : [target];
  const places = [...targets.map((name) => join('action', 'bin', name)), join('target', 'release'), join('target', 'debug')];
  const binary = places.map((place) => join(__dirname, '..', place, `jf-token${exe}`)).find(existsSync);
  if (!binary) {
    if (command !== 'create') return;
    console.log(`::error title=jf-token has no binary::${missing(target)}`);
    process.exitCode = 1;
    return;
  }
  const child = spawn(binary, ['action', command], { stdio: 'inherit' });
  // The runner signals only this process, but the binary must still revoke a new token.
  // (On Windows the binary gets the Ctrl-C itself, and kill would end it at once.)
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.platform === 'win32' || child.kill(signal));
  child.on('error', (error) => {
    console.log(`::error title=jf-token could not be started::${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code) => (process.exitCode = code ?? 1));
};

if (require.main === module) exports.run('create');
