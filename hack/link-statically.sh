#!/bin/sh
#
# For RUSTC_WRAPPER: compiles what cargo asks for, but the operator's binary is linked statically and stripped, as the released one is.
# hack/image.sh uses it where the libraries are built already.
case " $* " in
  *' --crate-name cce_backup_watch '*' --crate-type bin '*) set -- "$@" -C target-feature=+crt-static -C strip=symbols ;;
esac
exec "$@"
