/** The completion scripts of the shells. They ask `valetkey complete`, and evaluate nothing that is typed. */
import type { SHELLS } from './table.ts'

const BASH = `_valetkey() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files)
        compopt -o filenames 2> /dev/null
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
        ;;
      :*) ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(valetkey complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2> /dev/null)
}
complete -F _valetkey valetkey
`

const ZSH = `#compdef valetkey
_valetkey() {
  local line value
  local -a offers
  integer files=0
  while IFS= read -r line; do
    case $line in
      (:files) files=1 ;;
      (:*) ;;
      (*)
        value=\${line%%$'\\t'*}
        offers+=("\${value//:/\\\\:}:\${line#*$'\\t'}")
        ;;
    esac
  done < <(valetkey complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)
  if (( files )); then _files; else _describe valetkey offers; fi
}
compdef _valetkey valetkey
`

const FISH = `function __valetkey_lines
    set -l words (commandline -opc) (commandline -ct)
    valetkey complete -- $words[2..-1] 2> /dev/null
end
complete -c valetkey -n '__valetkey_lines | string match -q :files' -F
complete -c valetkey -n 'not __valetkey_lines | string match -q :files' -f -a '(__valetkey_lines | string match -v -r "^:")'
`

export const COMPLETION_SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: BASH,
  zsh: ZSH,
  fish: FISH,
}
