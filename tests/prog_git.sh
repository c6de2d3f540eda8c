#!/bin/sh
# git: clone, push and fetch by git:// and, through nginx and fcgiwrap, by http://.
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

backend=$(git --exec-path)/git-http-backend
if ! command -v nginx >/dev/null || ! command -v fcgiwrap >/dev/null || [ ! -x "$backend" ]; then
	echo "no http://: nginx, fcgiwrap or git-http-backend is not installed"
	exit 0
fi
run=$NETLAB_TMP/run
mkdir "$run"
git -C "$NETLAB_TMP/served.git" config http.receivepack true
cat >"$NETLAB_TMP/nginx.conf" <<END
pid $run/pid; daemon off; error_log $run/error.log; worker_processes 2; user root;
events { worker_connections 64; }
http { access_log off; client_max_body_size 64m;
	client_body_temp_path $run/1; proxy_temp_path $run/2; fastcgi_temp_path $run/3;
	uwsgi_temp_path $run/4; scgi_temp_path $run/5;
	server { listen 8080; listen [::]:8080;
		location / { fastcgi_pass unix:$run/cgi;
			fastcgi_param SCRIPT_FILENAME $backend; fastcgi_param GIT_PROJECT_ROOT $NETLAB_TMP;
			fastcgi_param GIT_HTTP_EXPORT_ALL 1; fastcgi_param PATH_INFO \$uri; fastcgi_param HOME $NETLAB_TMP;
			fastcgi_param QUERY_STRING \$query_string; fastcgi_param REQUEST_METHOD \$request_method;
			fastcgi_param CONTENT_TYPE \$content_type; fastcgi_param CONTENT_LENGTH \$content_length;
			fastcgi_param HTTP_CONTENT_ENCODING \$http_content_encoding; fastcgi_param REMOTE_ADDR \$remote_addr; } } }
END
start_b 8080 fcgiwrap -c 4 -s "unix:$run/cgi" 2>"$run/cgi.log"
wait_until 10 test -S "$run/cgi" || fail "fcgiwrap: $(cat "$run/cgi.log")"
start_b 8080 nginx -e "$run/error.log" -c "$NETLAB_TMP/nginx.conf"
wait_kcp 8080

step "http: clone, two at once"
for i in 1 2; do
	ask_a 8080 git clone -q "http://$NETLAB_B4:8080/served.git" "$NETLAB_TMP/http$i" &
	eval "client$i=$!"
done
for i in 1 2; do
	eval "wait \$client$i" || fail "clone: $? $(cat "$run/error.log" "$run/cgi.log")"
	diff -r -x .git "$NETLAB_TMP/copy" "$NETLAB_TMP/http$i" || fail "the trees differ"
done

step "http: push more than one request's buffer, and fetch it elsewhere by IPv6"
sample_file http1/big 3000000
git -C "$NETLAB_TMP/http1" add . && git -C "$NETLAB_TMP/http1" commit -qm big || fail "commit"
ask_a 8080 git -C "$NETLAB_TMP/http1" push -q origin main || fail "push: $? $(cat "$run/error.log" "$run/cgi.log")"
ask_a 8080 git -C "$NETLAB_TMP/http2" pull -q "http://[$NETLAB_B6]:8080/served.git" main || fail "pull: $?"
same "$NETLAB_TMP/http1/big" "$NETLAB_TMP/http2/big"
exit 0
