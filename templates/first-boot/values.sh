#!/bin/bash
# lxseed-firstboot: brings this machine from its first boot to a member of its LXD cluster. Made by lxseed.
# Only the variables below differ from machine to machine. `lxseed build` leaves a copy with comments beside user-data.
# Where the machine stands: lxseed-firstboot status. What else it can do: lxseed-firstboot --help.
set -Eeuo pipefail

HOST=<{ host.name }>
ADDRESS=<{ host.address }>
ROLE=<{ host.role }>
POSITION=<{ host.position }>
OS_SLOT=<{ host.os_slot }>

CLUSTER=<{ cluster.name }>
UBUNTU=<{ cluster.ubuntu }>
KERNEL=<{ cluster.kernel }>
# In joining order, the bootstrap host first.
MEMBERS=(<{ cluster.members | words }>)
ADDRESSES=(<{ cluster.addresses | words }>)
# Hosts to come, which the one that founds trusts already; nothing on all others.
SPARES=(<{ cluster.spares | words }>)
BOOTSTRAP=<{ cluster.bootstrap }>
ENDPOINT=<{ cluster.endpoint }>
# Of the bootstrap host: whether it founds without a majority of MEMBERS, and whose certificates LXD shall trust.
ALONE=<{ cluster.alone }>
CLIENTS=(<{ cluster.clients | words }>)
# Whether the desk has a certificate of its own. The one that an earlier seed has planted would still be there.
DESK=<{ cluster.desk }>

CHANNEL=<{ lxd.channel }>
<% if lxd.config -%>
# Of LXD's configuration, as JSON behind a comma: what it shall have before it founds or joins.
LXD_CONFIG=<{ lxd.config }>
<% endif -%>
# The carried snaps in the order to install them in; none if they come from the store.
OFFLINE=(<{ lxd.offline | words }>)

# One disk per column. WIPE holds the serial of a disk that may be emptied, with a word behind it or without, or nothing.
SLOT_NAMES=(<{ slots.names | words }>)
SLOT_BY=(<{ slots.by | words }>)
SLOT_VALUES=(<{ slots.values | words }>)
SLOT_MIN=(<{ slots.min_sizes | words }>)
SLOT_MAX=(<{ slots.max_sizes | words }>)
SLOT_WIPE=(<{ slots.wipes | words }>)

VOLUME_NAMES=(<{ volumes.names | words }>)
VOLUME_KINDS=(<{ volumes.kinds | words }>)
VOLUME_FIRST=(<{ volumes.first | words }>)
VOLUME_SECOND=(<{ volumes.second | words }>)

POOL_NAMES=(<{ pools.names | words }>)
POOL_DRIVERS=(<{ pools.drivers | words }>)
POOL_VOLUMES=(<{ pools.volumes | words }>)
