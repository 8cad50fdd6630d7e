# Completion of tuf-depot for bash: the program knows its commands, and asks the fleet for what else fits.
_tuf_depot() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files)
        compopt -o filenames
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]#=}")
        ;;
      :directories)
        compopt -o filenames
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "${COMP_WORDS[COMP_CWORD]#=}")
        ;;
      *) COMPREPLY+=("${line%% *}") ;;
    esac
  done < <(tuf-depot complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
}
complete -F _tuf_depot tuf-depot
