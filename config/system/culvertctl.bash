# SPDX-License-Identifier: BSD-3-Clause
# Completion of culvertctl for bash: names of endpoints, groups, targets, load balancers and zones are asked
# of the running culvertd, commands and options of culvertctl itself. `meson install` puts it in place.

# _culvertctl_ask WHAT FILTER: values that a sed script picks from `show WHAT --json`, one a line.
_culvertctl_ask() {
	"${_culvertctl_cmd[@]}" show "$1" --json 2>/dev/null | sed -n "$2"
}

# _culvertctl_names WHAT KEY: every value of a key.
_culvertctl_names() {
	_culvertctl_ask "$1" "s/.*\"$2\": \"\([^\"]*\)\".*/\1/p" | sort -u
}

# What may stand at place $1 behind the verb $2; the group named is $3.
_culvertctl_words() {
	case $2/$1 in
	accept/1 | reject/1) _culvertctl_names endpoints id ;;
	drain/1) _culvertctl_names targets name ;;
	drain/2) _culvertctl_ask targets 's/.*"target": "\([^"]*\)".*/\1/p' | sort -u ;;
	shift/1 | unshift/1) _culvertctl_names load-balancers name ;;
	shift/2) _culvertctl_names load-balancers az_id ;;
	show/1 | watch/1) "${_culvertctl_cmd[0]}" --words shows ;;
	esac
}

_culvertctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} verb='' place=0 i
	local -a _culvertctl_cmd=("${COMP_WORDS[0]}")
	# A colon of a target is a word of its own to bash.
	if declare -F _get_comp_words_by_ref >/dev/null; then
		local words cword
		_get_comp_words_by_ref -n : cur words cword
	else
		local words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
	fi
	COMPREPLY=()
	case ${words[cword - 1]} in
	-s | --socket)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	-w | --write)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--endpoint)
		mapfile -t COMPREPLY < <(compgen -W "$(_culvertctl_names endpoints id)" -- "$cur")
		return
		;;
	--words)
		mapfile -t COMPREPLY < <(compgen -W 'commands shows options capture events' -- "$cur")
		return
		;;
	-n | --limit | --seconds | --state | --target | --client | --port | --snaplen | --count | --since) return ;;
	esac
	for ((i = 1; i < cword; i++)); do
		case ${words[i]} in
		-s | --socket)
			_culvertctl_cmd+=(-s "${words[i + 1]}")
			i=$((i + 1))
			;;
		-[nw] | --limit | --seconds | --state | --target | --endpoint | --client | --port | --snaplen | \
			--count | --since | --write | --words) i=$((i + 1)) ;;
		-*) ;;
		*)
			[ -n "$verb" ] && place=$((place + 1))
			[ -z "$verb" ] && verb=${words[i]}
			;;
		esac
	done
	local list
	if [[ $cur == -* ]]; then
		case $verb in
		capture | events) list=$("${_culvertctl_cmd[0]}" --words "$verb") ;;
		*) list=$("${_culvertctl_cmd[0]}" --words options) ;;
		esac
	elif [ -z "$verb" ]; then
		list=$("${_culvertctl_cmd[0]}" --words commands)
	else
		list=$(_culvertctl_words $((place + 1)) "$verb")
	fi
	mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
	if declare -F __ltrim_colon_completions >/dev/null; then
		__ltrim_colon_completions "$cur"
	fi
}

complete -F _culvertctl culvertctl
