#compdef typebus

autoload -U is-at-least

_typebus() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_typebus_commands" \
"*::: :->typebus" \
&& ret=0
    case $state in
    (typebus)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:typebus-command-$line[1]:"
        case $line[1] in
            (schema)
_arguments "${_arguments_options[@]}" : \
'-o+[Write a file for each into this folder, \`order.placed.v2.json\`]:DIR:_files' \
'--output=[Write a file for each into this folder, \`order.placed.v2.json\`]:DIR:_files' \
'(-o --output)--event=[Print the schema of this event alone\: \`order.placed.v2\`, or a name for its newest version]:EVENT:_default' \
'--base-url=[Where the files will be found\: the \`\$id\` is this, \`/\`, and the name of the file; else \`urn\:typebus\:order.placed.v2\`]:URL:_default' \
'--format=[How is printed what was written; schemas are JSON]:FORMAT:((text\:"For people"
json\:"For programs; notes and errors on stderr too"))' \
'(-o --output --event --base-url)--manifest[Print the JSON Schema of the format of manifests instead, for editors and for whoever reads them]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::manifests -- Files `typebus/<service>.json`, or folders:_files' \
&& ret=0
;;
(asyncapi)
_arguments "${_arguments_options[@]}" : \
'--format=[How it is written]:FORMAT:(yaml json)' \
'*--server=[Where the broker is\: kafka\://.., amqp\://.., nats\://.., pulsar\://.., as the bus takes it; may be given for several]:URL:_default' \
'-o+[Write it into this file instead of printing it]:FILE:_files' \
'--output=[Write it into this file instead of printing it]:FILE:_files' \
'--title=[Its title; else the names of the services]:TITLE:_default' \
'--version=[Its version\: that of the system, not of AsyncAPI]:VERSION:_default' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::manifests -- Files `typebus/<service>.json`, or folders:_files' \
&& ret=0
;;
(graph)
_arguments "${_arguments_options[@]}" : \
'--format=[For what it is written]:FORMAT:((mermaid\:"For Markdown, as GitHub and others show it"
dot\:"For Graphviz"
svg\:"A picture that needs nothing else, light and dark"
json\:"Its nodes and edges, for programs; notes and errors on stderr too"))' \
'-o+[Write it into this file instead of printing it]:FILE:_files' \
'--output=[Write it into this file instead of printing it]:FILE:_files' \
'--dead-letters[Show where dead letters go, too]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::manifests -- Files `typebus/<service>.json`, or folders:_files' \
&& ret=0
;;
(docs)
_arguments "${_arguments_options[@]}" : \
'-o+[Where the page is written, instead of stdout]:FILE:_files' \
'--output=[Where the page is written, instead of stdout]:FILE:_files' \
'--title=[What stands at its head, instead of the services'\'' names]:TITLE:_default' \
'--format=[How it is printed; in a file it is HTML]:FORMAT:((text\:"For people"
json\:"For programs; notes and errors on stderr too"))' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::manifests -- Files `typebus/<service>.json`, or folders:_files' \
&& ret=0
;;
(validate)
_arguments "${_arguments_options[@]}" : \
'*--manifest=[Files \`typebus/<service>.json\`, or folders, where the event is looked for]:MANIFEST:_files' \
'--format=[For whom findings are printed]:FORMAT:((text\:"For people"
json\:"For programs; notes and errors on stderr too"))' \
'--reply[What answers the event, instead of the event]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':event -- An event, `order.placed.v2`, or a name for its newest version:_default' \
':file -- A file of JSON or of lines of JSON; `-` is stdin:_files' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'*--from-outside=[Somebody else publishes it; may be given more than once]:EVENT:_default' \
'*--to-outside=[Somebody else handles it; may be given more than once]:EVENT:_default' \
'*--may-repeat=[It may lead to itself, since something ends that; may be given more than once]:EVENT:_default' \
'--format=[For whom findings are printed]:FORMAT:((text\:"For people"
json\:"For programs; notes and errors on stderr too"))' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::manifests -- Files `typebus/<service>.json`, or folders:_files' \
&& ret=0
;;
(diff)
_arguments "${_arguments_options[@]}" : \
'--format=[For whom differences are printed]:FORMAT:((text\:"For people"
json\:"For programs; notes and errors on stderr too"))' \
'--breaking[Print only what breaks somebody]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':old -- A file `typebus/<service>.json` as it was, or a folder:_files' \
':new -- The same as it is now:_files' \
&& ret=0
;;
(provision)
_arguments "${_arguments_options[@]}" : \
'--config=[The services'\'' configuration\: where the broker is, the prefix, other names of topics, limits]:FILE:_files' \
'--format=[For whom it is printed]:FORMAT:((text\:"For people"
json\:"For programs; notes and errors on stderr too"))' \
'--dry-run[Print what would be created, and contact nobody]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'*::manifests -- Files `typebus/<service>.json`, or folders:_files' \
&& ret=0
;;
(init)
_arguments "${_arguments_options[@]}" : \
'--path=[The folder, which must not be there or be empty \[default\: NAME\]]:DIR:_files' \
'--format=[For whom it is said what was made]:FORMAT:((text\:"For people"
json\:"For programs; notes and errors on stderr too"))' \
'--typebus-path=[Depend on the library in this folder instead of a released one]:DIR:_files' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':name -- What the package is called; the service is called so too, with `-` for `_`:_default' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'--format=[How it is printed]:FORMAT:((text\:"For people"
json\:"For programs; notes and errors on stderr too"))' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
':shell -- Which shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
'--format=[How it is printed]:FORMAT:((text\:"For people"
json\:"For programs; notes and errors on stderr too"))' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'::command -- That of a subcommand\: `typebus man asyncapi`:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_typebus__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:typebus-help-command-$line[1]:"
        case $line[1] in
            (schema)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(asyncapi)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(graph)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(docs)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(validate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(diff)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(provision)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(init)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(man)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_typebus_commands] )) ||
_typebus_commands() {
    local commands; commands=(
'schema:Write the JSON Schema of every event in every version' \
'asyncapi:Write an AsyncAPI document of all services together' \
'graph:Draw who publishes what where, and who handles it' \
'docs:Write one self-contained HTML page\: services, events with schemas and examples, topics, and who tells whom' \
'validate:Say whether JSON is what an event'\''s schema says' \
'check:Check services against each other' \
'diff:Say what is different between two states of contracts, and whom each change breaks' \
'provision:Create the topics, groups and dead-letter topics of services on a broker' \
'init:Make a new service in a folder of its own' \
'completions:Print what completes the command in a shell' \
'man:Print the manual page' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'typebus commands' commands "$@"
}
(( $+functions[_typebus__subcmd__asyncapi_commands] )) ||
_typebus__subcmd__asyncapi_commands() {
    local commands; commands=()
    _describe -t commands 'typebus asyncapi commands' commands "$@"
}
(( $+functions[_typebus__subcmd__check_commands] )) ||
_typebus__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'typebus check commands' commands "$@"
}
(( $+functions[_typebus__subcmd__completions_commands] )) ||
_typebus__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'typebus completions commands' commands "$@"
}
(( $+functions[_typebus__subcmd__diff_commands] )) ||
_typebus__subcmd__diff_commands() {
    local commands; commands=()
    _describe -t commands 'typebus diff commands' commands "$@"
}
(( $+functions[_typebus__subcmd__docs_commands] )) ||
_typebus__subcmd__docs_commands() {
    local commands; commands=()
    _describe -t commands 'typebus docs commands' commands "$@"
}
(( $+functions[_typebus__subcmd__graph_commands] )) ||
_typebus__subcmd__graph_commands() {
    local commands; commands=()
    _describe -t commands 'typebus graph commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help_commands] )) ||
_typebus__subcmd__help_commands() {
    local commands; commands=(
'schema:Write the JSON Schema of every event in every version' \
'asyncapi:Write an AsyncAPI document of all services together' \
'graph:Draw who publishes what where, and who handles it' \
'docs:Write one self-contained HTML page\: services, events with schemas and examples, topics, and who tells whom' \
'validate:Say whether JSON is what an event'\''s schema says' \
'check:Check services against each other' \
'diff:Say what is different between two states of contracts, and whom each change breaks' \
'provision:Create the topics, groups and dead-letter topics of services on a broker' \
'init:Make a new service in a folder of its own' \
'completions:Print what completes the command in a shell' \
'man:Print the manual page' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'typebus help commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__asyncapi_commands] )) ||
_typebus__subcmd__help__subcmd__asyncapi_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help asyncapi commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__check_commands] )) ||
_typebus__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help check commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__completions_commands] )) ||
_typebus__subcmd__help__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help completions commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__diff_commands] )) ||
_typebus__subcmd__help__subcmd__diff_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help diff commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__docs_commands] )) ||
_typebus__subcmd__help__subcmd__docs_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help docs commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__graph_commands] )) ||
_typebus__subcmd__help__subcmd__graph_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help graph commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__help_commands] )) ||
_typebus__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help help commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__init_commands] )) ||
_typebus__subcmd__help__subcmd__init_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help init commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__man_commands] )) ||
_typebus__subcmd__help__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help man commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__provision_commands] )) ||
_typebus__subcmd__help__subcmd__provision_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help provision commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__schema_commands] )) ||
_typebus__subcmd__help__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help schema commands' commands "$@"
}
(( $+functions[_typebus__subcmd__help__subcmd__validate_commands] )) ||
_typebus__subcmd__help__subcmd__validate_commands() {
    local commands; commands=()
    _describe -t commands 'typebus help validate commands' commands "$@"
}
(( $+functions[_typebus__subcmd__init_commands] )) ||
_typebus__subcmd__init_commands() {
    local commands; commands=()
    _describe -t commands 'typebus init commands' commands "$@"
}
(( $+functions[_typebus__subcmd__man_commands] )) ||
_typebus__subcmd__man_commands() {
    local commands; commands=()
    _describe -t commands 'typebus man commands' commands "$@"
}
(( $+functions[_typebus__subcmd__provision_commands] )) ||
_typebus__subcmd__provision_commands() {
    local commands; commands=()
    _describe -t commands 'typebus provision commands' commands "$@"
}
(( $+functions[_typebus__subcmd__schema_commands] )) ||
_typebus__subcmd__schema_commands() {
    local commands; commands=()
    _describe -t commands 'typebus schema commands' commands "$@"
}
(( $+functions[_typebus__subcmd__validate_commands] )) ||
_typebus__subcmd__validate_commands() {
    local commands; commands=()
    _describe -t commands 'typebus validate commands' commands "$@"
}

if [ "$funcstack[1]" = "_typebus" ]; then
    _typebus "$@"
else
    compdef _typebus typebus
fi
