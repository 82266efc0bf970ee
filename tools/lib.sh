# SPDX-License-Identifier: BSD-3-Clause
# Shell functions for the tools here. POSIX sh; source it with top set to the root of the tree:
#   top=$(cd "$(dirname "$0")/.." && pwd); . "$top/tools/lib.sh"

# A python3, meson or compiler from elsewhere in PATH must not shadow the one that apt installed.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export PATH

# Say something to the person, on stderr: stdout belongs to the tool's result.
say() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# need_root WHY: fail unless we are root.
need_root() {
	[ "$(id -u)" -eq 0 ] || die "needs root ($1): run it with sudo"
}

# packages_of GROUP...: the packages of these groups, one a line.
packages_of() {
	for group in "$@"; do
		awk -v g="$group" '$1 == g { print $2 }' "$top/tools/packages.txt"
	done
}

# missing_packages GROUP...: those that are not installed.
missing_packages() {
	packages_of "$@" | while read -r pkg; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$pkg" 2>/dev/null) || state=none
		[ "$state" = installed ] || printf '%s\n' "$pkg"
	done
}

# Units that the packages of the lab would start, now or at the next boot. The lab runs its own copies.
lab_units='nginx haproxy mariadb mosquitto postgresql'

# install_packages GROUP...: apt-get what is missing; nothing at all when nothing is. No service is
# started: policy-rc.d says no while dpkg runs, and a unit that was not there before stays disabled.
install_packages() {
	missing=$(missing_packages "$@" | sort -u | tr '\n' ' ')
	[ -n "$missing" ] || return 0
	need_root "to install: $missing"
	command -v apt-get >/dev/null || die "no apt-get here; install these by hand: $missing"
	say "installing (apt-get; takes a minute or two): $missing"
	apt_log=$(mktemp /tmp/culvert-apt.XXXXXX)
	# In a subshell, so that its trap puts policy-rc.d back however we leave.
	if (apt_install) >"$apt_log" 2>&1; then
		rm -f "$apt_log"
		return 0
	fi
	tail -n 20 "$apt_log" >&2
	die "apt-get failed; all of its output is in $apt_log"
}

apt_install() {
	set -e
	DEBIAN_FRONTEND=noninteractive
	RUNLEVEL=1
	export DEBIAN_FRONTEND RUNLEVEL
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	new_units=
	for unit in $lab_units; do
		[ -e "/lib/systemd/system/$unit.service" ] || new_units="$new_units $unit"
	done
	# shellcheck disable=SC2086 # a list of names
	{
		apt-get -q -o DPkg::Lock::Timeout=120 update
		apt-get -q -y -o DPkg::Lock::Timeout=120 --no-install-recommends install $missing
	}
	for unit in $new_units; do
		if [ -e "/lib/systemd/system/$unit.service" ]; then
			systemctl disable "$unit" || true
		fi
	done
}

# build_tree DIR [MESON OPTION...]: configure DIR (absolute, or below the root of the tree) unless it is
# configured, then build it, or $ninja_targets of it if set. The environment (CC) counts at the first
# call only, as meson's does. One at a time: another that builds there is waited for. On failure: the errors
# and the end of the log on stderr, and status 1.
build_tree() {
	build_dir=$1
	shift
	case $build_dir in
	/*) ;;
	*) build_dir=$top/$build_dir ;;
	esac
	mkdir -p "$build_dir"
	build_log=$build_dir/culvert-build.log
	(
		if ! flock -n 9; then
			say "waiting for another build in $build_dir"
			flock 9
		fi
		build_alone "$@" 9>&-
	) 9>"$build_dir/culvert-build.lock"
}

build_alone() {
	if [ ! -e "$build_dir/build.ninja" ]; then
		if ! meson setup "$build_dir" "$top" "$@" >"$build_log" 2>&1 </dev/null; then
			build_failed configure
			return 1
		fi
	fi
	# shellcheck disable=SC2086 # a list of targets
	if ! ninja -C "$build_dir" ${ninja_targets:-} >"$build_log" 2>&1 </dev/null; then
		build_failed build
		return 1
	fi
}

build_failed() {
	# ninja goes on with other files for a while after an error: show the errors, not only the end.
	grep -E '(error:|ERROR:|FAILED:|undefined reference)' "$build_log" | head -n 15 >&2
	tail -n 15 "$build_log" >&2
	say "could not $1 $build_dir; all of the output is in $build_log"
}
