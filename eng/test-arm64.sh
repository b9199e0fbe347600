#!/usr/bin/env bash
# Runs all tests as a linux-arm64 program under user-mode emulation: once on a CPU with the dot product instructions, once without.
#
#   eng/test-arm64.sh [arguments of the test program, e.g. -class 'ShadowAttn.Tests.Kernels*']
#
# Per run: the skipped tests with their reasons, then one line "... N passed, N failed, N skipped".
# Exit code: 0 all passed, 1 tests failed or the program crashed, 2 the build failed, 3 something is missing on this machine.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2

sysroot=${ARM64_SYSROOT:-/usr/aarch64-linux-gnu}
work=$PWD/artifacts/test-arm64
program=$work/publish/ShadowAttn.Tests
models=(max cortex-a57)
declare -A features=([max]="with dot product" [cortex-a57]="without dot product")

missing=()
if ! command -v qemu-aarch64 >/dev/null; then missing+=(qemu-user); fi
if [[ ! -e $sysroot/lib/ld-linux-aarch64.so.1 || ! -e $sysroot/include/stdlib.h ]]; then missing+=(libc6-dev-arm64-cross); fi
if ! command -v aarch64-linux-gnu-gcc >/dev/null; then missing+=(gcc-aarch64-linux-gnu); fi
if ((${#missing[@]} > 0)); then
    echo "test-arm64: cannot run; install the Debian packages: ${missing[*]}" >&2
    exit 3
fi

mkdir -p "$work"
# A folder of its own for the intermediate files would rebuild everything; the runtime identifier already keeps them apart.
if ! dotnet publish tests/ShadowAttn.Tests -c Release -r linux-arm64 --self-contained -o "$work/publish" -v quiet --nologo >"$work/publish.log" 2>&1; then
    cat "$work/publish.log"
    echo "test-arm64: the build for linux-arm64 failed" >&2
    exit 2
fi

# See the file for why; -L has no arm64 OpenSSL.
if ! aarch64-linux-gnu-gcc -O2 -Wall -Werror -shared -fPIC -fvisibility=hidden \
    -o "$work/publish/libSystem.Security.Cryptography.Native.OpenSsl.so" eng/test-arm64/sha256.c; then
    echo "test-arm64: eng/test-arm64/sha256.c does not compile" >&2
    exit 2
fi

# Emulated pages cannot be mapped twice, once writable and once executable; and tests must not be narrowed by the caller's setting.
export DOTNET_EnableWriteXorExecute=0 NO_COLOR=1 SHADOWATTN_TEST_EMULATED=1
unset SHADOWATTN_ISA
ulimit -c 0

result=0
for model in "${models[@]}"; do
    log=$work/$model.log
    began=$SECONDS
    qemu-aarch64 -L "$sysroot" -cpu "$model" "$program" -noLogo -noColor "$@" </dev/null >"$log" 2>&1
    code=$?

    if ((code == 0)); then
        grep -F ' [SKIP]' -A 1 "$log" | grep -v '^--$'
    else
        cat "$log"
    fi

    counts=$(sed -nE 's/^ *ShadowAttn\.Tests +Total: ([0-9]+), Errors: ([0-9]+), Failed: ([0-9]+), Skipped: ([0-9]+).*/\1 \2 \3 \4/p' "$log" | tail -n 1)
    if [[ -z $counts ]]; then
        echo "test-arm64: the program ended with code $code before it had a result" >&2
        counts="1 0 1 0"
    fi

    read -r total errors failed skipped <<<"$counts"
    printf 'test-arm64, %s (%s), %ds: %d passed, %d failed, %d skipped\n' \
        "$model" "${features[$model]}" $((SECONDS - began)) $((total - failed - skipped)) $((failed + errors)) "$skipped"
    if ((code != 0 || failed + errors > 0)); then result=1; fi
    if ((total == 0)); then
        echo "test-arm64: no test ran" >&2
        result=1
    fi
done
exit $result
