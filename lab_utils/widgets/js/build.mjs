// Bundles each widget into one file beside its Python: nothing is fetched when a notebook shows it.
//
// The first line names what it was made from, so that a test without Node can tell a bundle that is out of date.
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync } from "node:fs";
import { build } from "esbuild";

const sources = [...readdirSync("src").sort().map((name) => `src/${name}`), "package-lock.json"];
const digest = createHash("sha256");
for (const name of sources) digest.update(name).update(readFileSync(name));

await build({
  entryPoints: ["src/timeline.js", "src/failures.js", "src/tuner.js", "src/endpointer.js", "src/recorder.js", "src/pulse.js"],
  outdir: "../static",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "eof",
  banner: { js: `// Made by "make widgets" from lab_utils/widgets/js ${digest.digest("hex")}; do not edit.` },
});
copyFileSync("node_modules/wavesurfer.js/LICENSE", "../static/wavesurfer.LICENSE.txt");
