#!/bin/sh
# lxseed in Ubuntu 18.04's debian-installer: finds this host's network card, seed and system disk, and stops with a
# message wherever what it finds is not exactly what the profile says. Nothing is written to a disk before that.
#
# Made by lxseed. The variables below are all that differs from machine to machine.

HOST=<{ host }>
CLUSTER=<{ cluster }>
MAC=<{ mac }>
OS_SLOT=<{ os_slot }>
# A line for each slot: way value min_size max_size name. A dot stands for no size.
SLOTS=<{ slots }>
# The snaps that the medium carries for the first boot.
SNAPS=<{ snaps }>
# The one installation that may be erased.
REINSTALL=<{ reinstall }>
