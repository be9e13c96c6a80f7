# What the oracles share (sourced by them): options, packages, images that are built once, the machine, and its report.
#
# An oracle boots a real implementation of the ABI in a machine of QEMU's TCG with nested SVM, runs guests on it, and prints a
# transcript: `# VERSIONS`, then for each guest, in the order given, `NAME: TEXT` (debug port 0xe9), `NAME% TEXT` (PV console) and
# `NAME= HOW` (poweroff, reboot, which a triple fault is too, crash, watchdog, suspend, soft-reset, refused, gone, still running).
# A guest that said nothing has `, silent` after it. A name that was there before gets a number: NAME#2.
#
# What runs inside prints to its serial console lines of this form, g01 being the first guest, and `@done` at the end:
#   @versions TEXT    @debug g01 TEXT    @console g01 TEXT    @end g01 HOW
set -euo pipefail

self=${0##*/}
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/xensim/oracle
die() { echo "$self: $2" >&2; exit "$1"; }

# ---- options: sets vcpus, memory, limit, together, type, log and guests; extra_option takes those of one oracle ----
vcpus=1 memory=64 limit=60 together=no type=pvh log= guests=()

number() { # option value least most
  [[ $2 =~ ^[0-9]{1,6}$ ]] && ((10#$2 >= $3 && 10#$2 <= $4)) || die 2 "$1 $2: a number from $3 to $4 is needed"; }

parse_options() {
  while (($#)); do
    case $1 in
      -v) number "$1" "${2:-}" 1 128; vcpus=$2; shift 2;;
      -m) number "$1" "${2:-}" 2 1024; memory=$2; shift 2;;
      -t) number "$1" "${2:-}" 1 100000; limit=$2; shift 2;;
      --log) log=${2:?}; shift 2;;
      -h | --help) sed -n '2,/^[^#]/s/^# \?//p' "$0"; exit 0;;
      -*) extra_option "$@" || die 2 "$1: no such option, or its value is missing (--help lists them)"; shift "$taken";;
      *) guests+=("$1"); shift;;
    esac
  done
  ((${#guests[@]})) || die 2 "no guest is given"
  local guest
  for guest in "${guests[@]}"; do [[ -f $guest && -r $guest ]] || die 2 "$guest: no such file"; done
}

# ---- what the host must have ----

# tool:package of Debian... (with the shell's own means alone: nothing else may be there)
need_tools() {
  local pair missing=
  for pair; do
    command -v "${pair%:*}" >/dev/null || [[ " $missing " == *" ${pair#*:} "* ]] || missing+=" ${pair#*:}"
  done
  [[ -z $missing ]] || die 3 "missing on this machine:$missing (apt-get install$missing)"
}
need_host() {
  need_tools qemu-system-x86_64:qemu-system-x86 cpio:cpio gzip:gzip awk:mawk flock:util-linux apt-get:apt dpkg-deb:dpkg \
    objdump:binutils xz:xz-utils timeout:coreutils
}

# ---- packages, in a folder of ours: neither the system's lists nor its packages are touched ----

# The archives that the machine's own apt takes Debian from: the main one, and the security one if there is one.
archives() {
  { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null || true
    sed -n 's/^URIs: *\(.*\)$/\1/p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true
  } | tr ' ' '\n' | sed 's#/*$##' | awk '/\/debian$/ && !main { main = $0 } /\/debian-security$/ && !security { security = $0 }
    END { print main, security }'
}

own_apt() {
  local tool=$1
  shift
  "$tool" -o "Dir::Etc::sourcelist=$part/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$part/apt/lists" \
    -o "Dir::Cache=$part/apt/cache" -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
    -o APT::Default-Release= -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=2 "$@" 2>>"$build_log"
}

# release [backports]: makes own_apt know a release of Debian, with its updates.
use_release() {
  local main security key="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
  read -r main security < <(archives)
  [[ -n $main ]] || die 3 "no Debian archive is among apt's sources"
  mkdir -p "$part/apt/lists/partial" "$part/apt/cache/archives/partial"
  { echo "deb $key $main $1 main"; echo "deb $key $main $1-updates main"
    [[ -z $security ]] || echo "deb $key $security $1-security main"
    [[ -z ${2:-} ]] || echo "deb $key $main $1-$2 main"
  } >"$part/apt/sources.list"
  own_apt apt-get update >>"$build_log" || die 3 "cannot read the package lists of Debian $1 (see $build_log)"
}

# The libraries that packages need, themselves left out: names alone.
libraries_of() {
  own_apt apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
    awk '/^(zlib1g|lib[a-z0-9+.-]+)(:amd64)?$/ && !/^lib(perl|python|gtk|llvm|mpfr|db5)/ { sub(/:amd64$/, ""); print }' | sort -u
}

# Downloads packages and unpacks them into $part/root; the image keeps their versions.
unpack() {
  mkdir -p "$part/debs" "$part/root"
  (cd "$part/debs" && own_apt apt-get download "$@") >>"$build_log" || die 3 "cannot download $* (see $build_log)"
  local deb
  for deb in "$part"/debs/*.deb; do
    dpkg-deb -W --showformat='${Package} ${Version}\n' "$deb" >>"$part/packages"
    dpkg-deb -x "$deb" "$part/root" 2>>"$build_log" || die 3 "cannot unpack $deb"
  done
  rm -r "$part/debs"
}

# ---- the image: built once in $part, renamed when whole; two at once wait for each other ----

# name function: `image` is the folder; the function builds it into $part.
build_once() {
  image=$cache/$1
  [[ -d $image ]] && return 0
  mkdir -p "$cache"
  exec 8>"$cache/$1.lock"
  flock 8
  if [[ ! -d $image ]]; then
    part=$image.part build_log=$cache/$1.log
    rm -rf "$part"
    mkdir -p "$part/root" "$part/files"
    : >"$build_log"
    echo "$self: building $image once, from Debian packages" >&2
    "$2"
    (cd "$part/files" && find . | LC_ALL=C sort | cpio -o -H newc 2>/dev/null | gzip -1) >"$part/files.gz"
    rm -rf "$part/files" "$part/root" "$part/apt"
    mv "$part" "$image"
  fi
  exec 8>&-
}

# folder: an empty file system with busybox for its tools.
base_system() {
  local d=$part/files name
  mkdir -p "$d"/usr/{bin,lib,lib64,libexec} "$d"/{proc,sys,dev,run,tmp,mod,g}
  ln -s usr/bin "$d/bin"; ln -s usr/lib "$d/lib"; ln -s usr/lib64 "$d/lib64"
  cp "$(find "$part/root" -path '*bin/busybox' -print -quit)" "$d/bin/busybox"
  for name in sh mount mkdir insmod cat echo ls sleep poweroff sed awk head tail grep basename timeout rm mkfifo uname; do
    ln -s busybox "$d/bin/$name"; done
}

# path...: programs of the unpacked packages, with all libraries that they need.
add_programs() {
  local queue=("$@" "$(cd "$part/root" && find . -name 'libgcc_s.so.1' -print -quit)") file name found
  while ((${#queue[@]})); do
    file=${queue[0]#./} queue=("${queue[@]:1}")
    [[ -e $part/files/$file ]] && continue
    mkdir -p "$part/files/$(dirname "$file")"
    cp -L "$part/root/$file" "$part/files/$file"
    for name in $(objdump -p "$part/root/$file" 2>/dev/null | awk '$1 == "NEEDED" { print $2 }'); do
      found=$(cd "$part/root" && find . -name "$name" -print -quit)
      [[ -n $found ]] || die 3 "no package that was unpacked has $name, which $file needs"
      queue+=("$found")
    done
  done
  mkdir -p "$part/files/lib64"
  cp -L "$(find "$part/root" -name ld-linux-x86-64.so.2 -print -quit)" "$part/files/lib64/"
}

# folder destination name...: kernel modules, uncompressed; one that the kernel has built in is not there.
add_modules() {
  local from=$1 to=$2 name file
  shift 2
  mkdir -p "$to"
  for name; do
    file=$(find "$from" -name "$name.ko" -o -name "$name.ko.xz" -o -name "$name.ko.gz" -o -name "$name.ko.zst" | head -n 1)
    case $file in
      '') ;;
      *.xz) xz -dc "$file" >"$to/$name.ko";;
      *.gz) gzip -dc "$file" >"$to/$name.ko";;
      *.zst) need_tools zstd:zstd; zstd -qdc "$file" >"$to/$name.ko";;
      *) cp "$file" "$to/$name.ko";;
    esac
  done
}

# ---- one run ----

begin_run() {
  work=$(mktemp -d) machine=
  trap '[[ -z $machine ]] || kill "$machine" 2>/dev/null; rm -rf "$work"' EXIT
  mkdir -p "$work/files/g" "$work/files/mod"
  local guest n=0
  for guest in "${guests[@]}"; do n=$((n + 1)); cp "$guest" "$work/files/g/$(printf 'g%02d' $n).elf"; done
}

# The image's files, those of this run over them.
pack_run() {
  { cat "$image/files.gz"; (cd "$work/files" && find . | LC_ALL=C sort | cpio -o -H newc 2>/dev/null | gzip -1); } >"$work/files.gz"
}

# SVM nests under TCG; without SMAP, SMEP and LA57, with which a PV dom0 dies there; one thread, or the host kernel's own text
# patching trips over itself now and then.
cpu=max,+svm,+npt,-smap,-smep,-la57,-pku,-pks

# qemu options...: the serial console's text goes to $work/console. A machine that has said nothing for longer than one guest may
# take hangs, and is ended.
boot() {
  local size before=-1 since=$SECONDS
  (cd "$work" && exec qemu-system-x86_64 -accel tcg,thread=single -cpu "$cpu" -smp 2 -m 3072 -nodefaults -display none \
    -no-reboot -serial file:serial "$@") >"$work/qemu" 2>&1 &
  machine=$!
  while kill -0 "$machine" 2>/dev/null; do
    sleep 0.2
    size=$(stat -c %s "$work/serial" 2>/dev/null || echo 0)
    if ((size != before)); then before=$size since=$SECONDS; fi
    ((SECONDS - since <= limit + 300)) || kill "$machine"
  done
  wait "$machine" || true
  machine=
  [[ -f $work/serial ]] || die 3 "QEMU did not start: $(head -n 1 "$work/qemu")"
  tr -d '\r' <"$work/serial" >"$work/console"
  [[ -z $log ]] || cp "$work/console" "$log"
}

# what: prints the transcript from $work/console; exit status 0 if all spoke and powered off, 1 if not.
report() {
  grep -q '^@done' "$work/console" || die 3 "$1 did not come up or timed out; its console ends: $(tail -n 3 "$work/console" | paste -sd'|')"
  local guest names=() name
  for guest in "${guests[@]}"; do name=$(basename "$guest"); names+=("${name%.*}"); done
  awk -v names="$(printf '%s\n' "${names[@]}")" '
    function add(g, mark, text) { lines[g] = lines[g] name[g] mark " " text "\n"; said[g] = 1 }
    BEGIN { n = split(names, name, "\n"); for (i = 1; i <= n; i++) if (seen[name[i]]++) name[i] = name[i] "#" seen[name[i]] }
    /^@versions / { print "# " substr($0, 11) }
    { g = substr($2, 2) + 0; text = substr($0, length($1) + length($2) + 3) }
    $1 == "@debug" { add(g, ":", text) }
    $1 == "@console" && text != "" { add(g, "%", text) }
    $1 == "@end" { how[g] = text }
    END { for (i = 1; i <= n; i++) { printf "%s%s= %s%s\n", lines[i], name[i], how[i] == "" ? "gone" : how[i], said[i] ? "" : ", silent"
            if (how[i] != "poweroff" || !said[i]) bad = 1 }
          exit bad }' "$work/console"
}
