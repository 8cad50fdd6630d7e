# Completion of tuf-depot for fish: the program knows its commands, and asks the fleet for what else fits.
function __tuf_depot_complete
    set -l before (commandline -opc)
    set -l typed (commandline -ct)
    for line in (tuf-depot complete -- $before[2..-1] "$typed" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$typed"
            case :directories
                __fish_complete_directories "$typed"
            case '*'
                string replace ' ' \t -- $line
        end
    end
end
complete -c tuf-depot -f -a '(__tuf_depot_complete)'
