"""One machine of a swarm, for bench/fleet/bittorrent.ts.

    torrent.py make FOLDER FILE               writes the torrent of a folder
    torrent.py join FILE SAVE ADDRESS PORT    prints "ready"; for each line ADDRESS of its input it connects to that peer,
                                              and it prints "done" once it has everything

Settings are those of the library, but for what would look for peers elsewhere.
"""

import os
import sys
import threading
import time

import libtorrent

PIECE_BYTES = 1024 * 1024
POLL_S = 0.02


def make(folder, path):
    storage = libtorrent.file_storage()
    libtorrent.add_files(storage, folder)
    torrent = libtorrent.create_torrent(storage, PIECE_BYTES)
    libtorrent.set_piece_hashes(torrent, os.path.dirname(folder))
    with open(path, "wb") as out:
        out.write(libtorrent.bencode(torrent.generate()))


def join(path, save, address, port):
    session = libtorrent.session(
        {
            "listen_interfaces": f"{address}:{port}",
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
        }
    )
    params = libtorrent.add_torrent_params()
    params.ti = libtorrent.torrent_info(path)
    params.save_path = save
    handle = session.add_torrent(params)
    checking = (
        libtorrent.torrent_status.states.checking_files,
        libtorrent.torrent_status.states.checking_resume_data,
    )
    while handle.status().state in checking:
        time.sleep(POLL_S)
    print("ready", flush=True)

    def connect():
        for line in sys.stdin:
            handle.connect_peer((line.strip(), int(port)))
        os._exit(0)

    threading.Thread(target=connect, daemon=True).start()
    while not handle.status().is_seeding:
        time.sleep(POLL_S)
    print("done", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    {"make": make, "join": join}[sys.argv[1]](*sys.argv[2:])
