/** Where OpenStack's nodes have the scripts that jobs call. */
export const SLAVE_SCRIPTS = '/usr/local/jenkins/slave_scripts';
