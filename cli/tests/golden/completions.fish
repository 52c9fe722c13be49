# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_typebus_global_optspecs
    string join \n h/help V/version
end

function __fish_typebus_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_typebus_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_typebus_using_subcommand
    set -l cmd (__fish_typebus_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c typebus -n "__fish_typebus_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_needs_command" -s V -l version -d 'Print version'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "schema" -d 'Write the JSON Schema of every event in every version'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "asyncapi" -d 'Write an AsyncAPI document of all services together'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "graph" -d 'Draw who publishes what where, and who handles it'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "docs" -d 'Write one self-contained HTML page: services, events with schemas and examples, topics, and who tells whom'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "validate" -d 'Say whether JSON is what an event\'s schema says'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "check" -d 'Check services against each other'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "diff" -d 'Say what is different between two states of contracts, and whom each change breaks'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "provision" -d 'Create the topics, groups and dead-letter topics of services on a broker'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "init" -d 'Make a new service in a folder of its own'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "completions" -d 'Print what completes the command in a shell'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "man" -d 'Print the manual page'
complete -c typebus -n "__fish_typebus_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c typebus -n "__fish_typebus_using_subcommand schema" -s o -l output -d 'Write a file for each into this folder, `order.placed.v2.json`' -r -F
complete -c typebus -n "__fish_typebus_using_subcommand schema" -l event -d 'Print the schema of this event alone: `order.placed.v2`, or a name for its newest version' -r
complete -c typebus -n "__fish_typebus_using_subcommand schema" -l base-url -d 'Where the files will be found: the `$id` is this, `/`, and the name of the file; else `urn:typebus:order.placed.v2`' -r
complete -c typebus -n "__fish_typebus_using_subcommand schema" -l format -d 'How is printed what was written; schemas are JSON' -r -f -a "text\t'For people'
json\t'For programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand schema" -l manifest -d 'Print the JSON Schema of the format of manifests instead, for editors and for whoever reads them'
complete -c typebus -n "__fish_typebus_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand asyncapi" -l format -d 'How it is written' -r -f -a "yaml\t''
json\t''"
complete -c typebus -n "__fish_typebus_using_subcommand asyncapi" -l server -d 'Where the broker is: kafka://.., amqp://.., nats://.., pulsar://.., as the bus takes it; may be given for several' -r
complete -c typebus -n "__fish_typebus_using_subcommand asyncapi" -s o -l output -d 'Write it into this file instead of printing it' -r -F
complete -c typebus -n "__fish_typebus_using_subcommand asyncapi" -l title -d 'Its title; else the names of the services' -r
complete -c typebus -n "__fish_typebus_using_subcommand asyncapi" -l version -d 'Its version: that of the system, not of AsyncAPI' -r
complete -c typebus -n "__fish_typebus_using_subcommand asyncapi" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand graph" -l format -d 'For what it is written' -r -f -a "mermaid\t'For Markdown, as GitHub and others show it'
dot\t'For Graphviz'
svg\t'A picture that needs nothing else, light and dark'
json\t'Its nodes and edges, for programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand graph" -s o -l output -d 'Write it into this file instead of printing it' -r -F
complete -c typebus -n "__fish_typebus_using_subcommand graph" -l dead-letters -d 'Show where dead letters go, too'
complete -c typebus -n "__fish_typebus_using_subcommand graph" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand docs" -s o -l output -d 'Where the page is written, instead of stdout' -r -F
complete -c typebus -n "__fish_typebus_using_subcommand docs" -l title -d 'What stands at its head, instead of the services\' names' -r
complete -c typebus -n "__fish_typebus_using_subcommand docs" -l format -d 'How it is printed; in a file it is HTML' -r -f -a "text\t'For people'
json\t'For programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand docs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand validate" -l manifest -d 'Files `typebus/<service>.json`, or folders, where the event is looked for' -r -F
complete -c typebus -n "__fish_typebus_using_subcommand validate" -l format -d 'For whom findings are printed' -r -f -a "text\t'For people'
json\t'For programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand validate" -l reply -d 'What answers the event, instead of the event'
complete -c typebus -n "__fish_typebus_using_subcommand validate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand check" -l from-outside -d 'Somebody else publishes it; may be given more than once' -r
complete -c typebus -n "__fish_typebus_using_subcommand check" -l to-outside -d 'Somebody else handles it; may be given more than once' -r
complete -c typebus -n "__fish_typebus_using_subcommand check" -l may-repeat -d 'It may lead to itself, since something ends that; may be given more than once' -r
complete -c typebus -n "__fish_typebus_using_subcommand check" -l format -d 'For whom findings are printed' -r -f -a "text\t'For people'
json\t'For programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand diff" -l format -d 'For whom differences are printed' -r -f -a "text\t'For people'
json\t'For programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand diff" -l breaking -d 'Print only what breaks somebody'
complete -c typebus -n "__fish_typebus_using_subcommand diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand provision" -l config -d 'The services\' configuration: where the broker is, the prefix, other names of topics, limits' -r -F
complete -c typebus -n "__fish_typebus_using_subcommand provision" -l format -d 'For whom it is printed' -r -f -a "text\t'For people'
json\t'For programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand provision" -l dry-run -d 'Print what would be created, and contact nobody'
complete -c typebus -n "__fish_typebus_using_subcommand provision" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand init" -l path -d 'The folder, which must not be there or be empty [default: NAME]' -r -F
complete -c typebus -n "__fish_typebus_using_subcommand init" -l format -d 'For whom it is said what was made' -r -f -a "text\t'For people'
json\t'For programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand init" -l typebus-path -d 'Depend on the library in this folder instead of a released one' -r -F
complete -c typebus -n "__fish_typebus_using_subcommand init" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand completions" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand man" -l format -d 'How it is printed' -r -f -a "text\t'For people'
json\t'For programs; notes and errors on stderr too'"
complete -c typebus -n "__fish_typebus_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "schema" -d 'Write the JSON Schema of every event in every version'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "asyncapi" -d 'Write an AsyncAPI document of all services together'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "graph" -d 'Draw who publishes what where, and who handles it'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "docs" -d 'Write one self-contained HTML page: services, events with schemas and examples, topics, and who tells whom'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "validate" -d 'Say whether JSON is what an event\'s schema says'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "check" -d 'Check services against each other'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "diff" -d 'Say what is different between two states of contracts, and whom each change breaks'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "provision" -d 'Create the topics, groups and dead-letter topics of services on a broker'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "init" -d 'Make a new service in a folder of its own'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "completions" -d 'Print what completes the command in a shell'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "man" -d 'Print the manual page'
complete -c typebus -n "__fish_typebus_using_subcommand help; and not __fish_seen_subcommand_from schema asyncapi graph docs validate check diff provision init completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
