#!/bin/sh
# git daemon: clone, push and fetch by git://.
. "$top_srcdir/tests/proglib.sh"
prog_start git ss
export HOME="$NETLAB_TMP" GIT_CONFIG_NOSYSTEM=1
git config --global user.name test
git config --global user.email test@example.org
git config --global init.defaultBranch main
git config --global --add safe.directory '*'

git init -q "$NETLAB_TMP/origin"
for i in 1 2 3 4 5 6; do
	sample_file "origin/file$i" 500000
	git -C "$NETLAB_TMP/origin" add . && git -C "$NETLAB_TMP/origin" commit -qm "change $i" || fail "commit"
done
git clone -q --bare "$NETLAB_TMP/origin" "$NETLAB_TMP/served.git" || fail "clone --bare"
start_b 9418 git daemon --export-all --enable=receive-pack --reuseaddr --base-path="$NETLAB_TMP"
wait_kcp 9418

step "clone"
ask_a 9418 git clone -q "git://$NETLAB_B4/served.git" "$NETLAB_TMP/copy" || fail "clone: $?"
diff -r -x .git "$NETLAB_TMP/origin" "$NETLAB_TMP/copy" || fail "the trees differ"
git -C "$NETLAB_TMP/copy" fsck --full >/dev/null 2>&1 || fail "fsck"

step "push, and fetch it elsewhere by IPv6"
sample_file copy/new 900000
git -C "$NETLAB_TMP/copy" add . && git -C "$NETLAB_TMP/copy" commit -qm new || fail "commit"
ask_a 9418 git -C "$NETLAB_TMP/copy" push -q origin main || fail "push: $?"
ask_a 9418 git -C "$NETLAB_TMP/origin" pull -q "git://[$NETLAB_B6]/served.git" main || fail "pull: $?"
same "$NETLAB_TMP/copy/new" "$NETLAB_TMP/origin/new"
exit 0
